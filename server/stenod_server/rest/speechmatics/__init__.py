"""The batch API v2 of Speechmatics, as its clients and its batch worker know it (docs/dialects/speechmatics.md)."""

from stenod_server.rest.speechmatics.routes import speechmatics

__all__ = ["speechmatics"]
