"""Reduced form of tests/proofs/context_chunks.py: a part of one recording, and no Triton."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from stenod_models.families.moonshine.runtime import MoonshineRecogniser
from stenod_server.audio.decode import DecodeOptions, Decoding
from stenod_server.domain.audio import SAMPLE_RATE_HZ as HZ
from stenod_server.domain.audio import ChunkLengths
from stenod_server.domain.transcript import Word
from stenod_server.ports import Window, WindowPlan
from stenod_server.recognition.stitch import Frame, Stitcher
from tests.proofs.context_chunks import Faults, Hear, hearing, judged, load_vad, windows_of, without_pauses
from tests.support.speech import needs_speech, recordings
from tests.support.waves import write_wav

pytestmark = needs_speech
PART = DecodeOptions(start_s=180.0, end_s=270.0)
CHUNKS = ChunkLengths(12 * HZ, 4 * HZ, 3 * HZ)


def test_no_word_is_lost_or_doubled_where_nobody_pauses(
    recogniser: MoonshineRecogniser, built_models_dir: Path, tmp_path: Path
) -> None:
    """Without context "of" and "the" are said twice."""
    vad = load_vad(built_models_dir)
    with Decoding(recordings("long")[0].path, PART) as decoding:
        audio = without_pauses(np.concatenate(list(decoding.blocks()), axis=1)[0], vad)
    path, hear = write_wav(tmp_path / "speech.wav", audio), hearing(recogniser, audio)
    windows = windows_of(path, WindowPlan(10 * HZ, 20 * HZ, chunks=CHUNKS), vad)
    faults = judged(joined(windows, hear), windows, hear)
    assert len(faults) >= 3
    assert set(faults) == {Faults()}


def joined(windows: list[Window], hear: Hear) -> list[Word]:
    stitcher = Stitcher()
    words: list[Word] = []
    for window in windows:
        heard = [moved(word, -window.start_samples) for word in hear(window.start_samples, window.end_samples)]
        words += stitcher.place(Frame.of(window), heard)
    return words


def moved(word: Word, by: int) -> Word:
    return replace(word, start_samples=word.start_samples + by, end_samples=word.end_samples + by)
