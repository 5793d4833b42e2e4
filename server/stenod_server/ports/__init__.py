"""The roles that the outside plays for the domain; whoever plays one is an adapter."""

from stenod_server.ports.access import Authenticator
from stenod_server.ports.audio import AudioFrontEnd, AudioProgress, AudioSummary, WindowPlan
from stenod_server.ports.clock import Clock
from stenod_server.ports.deliveries import FILES_INDEX, Body, Courier, Delivery, DeliveryStore, Letter
from stenod_server.ports.jobs import CacheKey, JobFilter, JobStore, RetentionStore, SpentMedia
from stenod_server.ports.media import BlobStore, FetchedMedia, MediaFetcher, MediaSpool, Upload, UploadStore
from stenod_server.ports.recognition import (
    Embedding,
    Engine,
    Int16Audio,
    ModelProfile,
    RecognitionRequest,
    Voice,
    VoiceProfile,
    VoiceSpan,
    Window,
    WindowResult,
    WindowVoices,
)
from stenod_server.ports.results import ResultBuckets

__all__ = [
    "FILES_INDEX",
    "AudioFrontEnd",
    "AudioProgress",
    "AudioSummary",
    "Authenticator",
    "BlobStore",
    "Body",
    "CacheKey",
    "Clock",
    "Courier",
    "Delivery",
    "DeliveryStore",
    "Embedding",
    "Engine",
    "FetchedMedia",
    "Int16Audio",
    "JobFilter",
    "JobStore",
    "Letter",
    "MediaFetcher",
    "MediaSpool",
    "ModelProfile",
    "RecognitionRequest",
    "ResultBuckets",
    "RetentionStore",
    "SpentMedia",
    "Upload",
    "UploadStore",
    "Voice",
    "VoiceProfile",
    "VoiceSpan",
    "Window",
    "WindowPlan",
    "WindowResult",
    "WindowVoices",
]
