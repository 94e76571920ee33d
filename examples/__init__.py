"""Programs that use edgeseq as an application would; README.md says what each shows."""
