"""What differences this machine can show: the same file against itself, and against itself with a known delay."""
