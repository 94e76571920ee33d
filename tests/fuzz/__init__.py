"""Files changed at random, to see that a file can do nothing but be refused or run: ``python -m tests.fuzz``."""
