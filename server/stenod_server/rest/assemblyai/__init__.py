"""The dialect of AssemblyAI's on-premise asynchronous engine: `/health`, and `/transcribe/url`, which answers when the
transcript is there.

`parameters` reads what is asked for, `answers` writes what comes of it, `routes` is between them and the scheduler.
"""

from stenod_server.rest.assemblyai.routes import assemblyai

__all__ = ["assemblyai"]
