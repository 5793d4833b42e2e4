"""The client of stenod, a batch speech-to-text service. `stenod.v1` holds the generated messages and stubs."""

from stenod import errors
from stenod._channel import is_loopback, tls
from stenod._options import JobOptions, VocabularyEntry
from stenod._retry import RetryPolicy
from stenod._subtitle_options import SubtitleOptions
from stenod.client import Client
from stenod.errors import StenodError
from stenod.results import Capacity, Entity, Job, JobState, JobUpdate, Model, Segment, Transcript, Word

__all__ = [
    "Capacity", "Client", "Entity", "Job", "JobOptions", "JobState", "JobUpdate", "Model", "RetryPolicy", "Segment",
    "StenodError", "SubtitleOptions", "Transcript", "VocabularyEntry", "Word", "errors", "is_loopback", "tls",
]  # fmt: skip
