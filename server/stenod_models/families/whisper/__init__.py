"""Whisper, any size: graphs (built by export), vocabulary, features and runtime."""
