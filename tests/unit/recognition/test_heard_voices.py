import numpy as np

from stenod_server.ports import Voice, VoiceSpan, WindowVoices
from stenod_server.recognition.heard_voices import own_voices
from stenod_server.recognition.stitch import Frame

VOICES = tuple(Voice(np.eye(3, dtype=np.float32)[number], 100) for number in range(3))
SPANS = (VoiceSpan(0, 300, 0), VoiceSpan(250, 900, 1), VoiceSpan(850, 1000, 2))


def test_a_window_that_shares_nothing_keeps_all() -> None:
    voices = WindowVoices(SPANS, VOICES)
    assert own_voices(voices, Frame(0, 5000, 6000, 5000, 6000)) is voices


def test_what_lies_in_the_context_is_left_to_the_neighbour() -> None:
    """The first voice is heard before the window's own part alone."""
    kept = own_voices(WindowVoices(SPANS, VOICES), Frame(0, 5000, 6000, 5300, 5900))
    assert kept.spans == (VoiceSpan(300, 900, 0), VoiceSpan(850, 900, 1))
    assert [voice.embedding.tolist() for voice in kept.voices] == [[0, 1, 0], [0, 0, 1]]
