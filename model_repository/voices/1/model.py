"""Triton loads this file; the model is stenod_models.serving_voices."""

from stenod_models.serving_voices import TritonPythonModel

__all__ = ["TritonPythonModel"]
