"""Triton loads this file; the model is stenod_models.serving."""

from stenod_models.serving import TritonPythonModel

__all__ = ["TritonPythonModel"]
