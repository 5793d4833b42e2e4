"""Moonshine: graphs (built by export), tokenizer and runtime."""
