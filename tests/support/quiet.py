"""For proofs with a node in their own process: what it logs is not what they print."""

import logging

from stenod_server.telemetry import logs


def keep_quiet() -> None:
    """Log errors alone, and no audit."""
    logs.configure("error")
    logging.getLogger(logs.AUDIT).setLevel(logging.ERROR)
