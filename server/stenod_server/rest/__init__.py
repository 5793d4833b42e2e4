"""HTTP dialects: thin translations onto the scheduler. Empty until they are built."""
