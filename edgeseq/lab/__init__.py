"""The latency lab: what a step costs here, of one file or of several that take turns. numpy and onnxruntime alone."""
