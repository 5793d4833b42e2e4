"""The gRPC surface: translates between `stenod.v1` and the scheduler, and holds no logic of its own.

With `cli`, the only place that sees the generated stubs.
"""
