"""What shows that a file keeps its laws, without torch: its streams, inputs to run them on, what was found."""
