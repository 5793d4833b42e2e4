"""Builders of model repository entries: where weights come from, how graphs are written. Needs onnx, never Triton."""
