"""Every check and every figure that needs a GPU, by one command: ``python -m benchmarks.gpu``."""
