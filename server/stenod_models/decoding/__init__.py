"""Decoding loops shared by the families. Pure numpy; the model is a step function."""
