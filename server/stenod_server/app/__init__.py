"""Builds everything long-lived, in order, and takes it down in reverse: the one place that knows the whole."""
