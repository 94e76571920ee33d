"""``python -m tests.published [FILE]`` writes the page of published models."""

from tests.published.document import main

main()
