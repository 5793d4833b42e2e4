"""Who speaks: clustering, assignment, identification. Sync and CPU-bound. Empty until it is built."""
