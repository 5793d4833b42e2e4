"""Parakeet: FastConformer encoders with a TDT, RNN-T or CTC head. Runs on numpy and ONNX Runtime, or on torch."""
