"""A bucket of recordings through a server, results into another: what `stenod ingest` and the one-shot mode do.

Nothing is remembered here but in the results themselves, so that a command that is killed at any moment can be started
again, anywhere: see docs/bulk.md.
"""
