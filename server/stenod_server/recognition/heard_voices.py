"""Of the voices of a window, what lies in the part of it that is its own: the rest is its neighbours' to tell."""

from dataclasses import replace

from stenod_server.ports import VoiceSpan, WindowVoices
from stenod_server.recognition.stitch import Frame


def own_voices(voices: WindowVoices, frame: Frame) -> WindowVoices:
    """With spans clipped to what the window keeps, and without the voices that are not heard there."""
    if frame.kept_samples == frame.end_samples - frame.start_samples:
        return voices
    first = frame.keep_start_samples - frame.start_samples
    last = frame.keep_end_samples - frame.start_samples
    inside = [
        VoiceSpan(max(span.start_samples, first), min(span.end_samples, last), span.voice)
        for span in voices.spans
        if span.start_samples < last and span.end_samples > first
    ]
    heard = sorted({span.voice for span in inside})
    spans = tuple(replace(span, voice=heard.index(span.voice)) for span in inside)
    return WindowVoices(spans, tuple(voices.voices[number] for number in heard))
