"""What runs inside Triton, and what builds it: recogniser families, decoding, alignment, exporters.

Imports nothing of `stenod_server` or `stenod`; of this package the server sees only `contract`.
"""
