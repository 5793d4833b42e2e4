"""Who speaks: clustering, assignment, identification. Sync and CPU-bound."""
