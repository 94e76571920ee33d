"""Latency, taken apart and compared: experiments, floors, findings, reports. Needs numpy and onnxruntime only."""
