"""Tests, and the proofs in full."""

import os

# Before gRPC is loaded. Its handlers run in a child until that becomes another program, and now and then crash it.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
