"""Containers, codecs, rates and depths; damage; and recordings without speech: through the whole service."""

import subprocess
from difflib import SequenceMatcher
from pathlib import Path

import imageio_ffmpeg
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

import stenod
from stenod import errors
from tests.support.speech import Recording, needs_speech, recordings

pytestmark = [pytest.mark.triton, *needs_speech]

FORMATS = recordings("formats")
BROKEN = recordings("broken")
NONSPEECH = recordings("nonspeech")
LOSSY_RATIO = 0.1  # of the words may differ
LOSSLESS = ("flac", "wav24", "wavf32", "aiff", "caf", "w64", "au", "alac", "6ch")  # parts of the file names


def _decoded_by_ffmpeg(source: Path, target: Path) -> Path:
    """The same recording as ffmpeg hears it: 16 kHz, mono, 16 bit."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "quiet", "-y", "-i", str(source), "-vn"]
    subprocess.run([*command, "-ac", "1", "-ar", "16000", "-c:a", "pcm_s16le", str(target)], check=False)
    return target


def _words(text: str) -> list[str]:
    normalised: str = EnglishTextNormalizer()(text)
    return normalised.split()


def _different_ratio(reference: str, hypothesis: str) -> float:
    """Words of either text without a counterpart in the other, over those of the reference (at least one)."""
    expected, heard = _words(reference), _words(hypothesis)
    same = sum(block.size for block in SequenceMatcher(None, expected, heard, autojunk=False).get_matching_blocks())
    return (max(len(expected), len(heard)) - same) / max(1, len(expected))


@pytest.mark.parametrize("recording", FORMATS, ids=lambda recording: recording.id)
async def test_a_format_gives_the_words_that_ffmpeg_hears(
    client: stenod.Client, recording: Recording, tmp_path: Path
) -> None:
    reference = await client.transcribe(_decoded_by_ffmpeg(recording.path, tmp_path / "reference.wav"))
    transcript = await client.transcribe(recording.path)
    assert transcript.words
    if any(part in recording.path.name for part in LOSSLESS):
        assert _words(transcript.text) == _words(reference.text)
    else:
        assert _different_ratio(reference.text, transcript.text) <= LOSSY_RATIO


@pytest.mark.parametrize("recording", NONSPEECH, ids=lambda recording: recording.id)
async def test_silence_music_and_noise_give_an_empty_transcript(client: stenod.Client, recording: Recording) -> None:
    transcript = await client.transcribe(recording.path)
    assert transcript.text == ""
    assert transcript.segments == ()
    assert transcript.duration_s > 0


# What becomes of each damaged or hostile file: the reason it fails with, or DAMAGED (words up to the damage, and a
# warning), WORDS (nothing is wrong that matters) or EMPTY (SUCCEEDED without a word).
OUTCOMES = {
    "truncated.mp3": "DAMAGED",
    "garbage-head.mp3": "WORDS",
    "truncated-no-moov.m4a": "UNSUPPORTED_MEDIA",
    "bitflips.flac": "DAMAGED",
    "truncated.wav": "DAMAGED",
    "header-only.wav": "UNSUPPORTED_MEDIA",
    "size-lies-4GB.wav": "WORDS",
    "rate-zero.wav": "UNSUPPORTED_MEDIA",
    "channels-zero.wav": "UNSUPPORTED_MEDIA",
    "empty.wav": "INVALID_FIELD",
    "text.wav": "UNSUPPORTED_MEDIA",
    "random.mp3": "UNSUPPORTED_MEDIA",
    "zeros.flac": "UNSUPPORTED_MEDIA",
    "wrong-ext.mp3": "WORDS",
    "truncated.opus": "WORDS",  # Ogg does not announce a length: nothing tells that it is cut
    "truncated.webm": "DAMAGED",
    "truncated.mp4": "UNSUPPORTED_MEDIA",
    "video-only.mp4": "NO_AUDIO",
    "10ms.wav": "EMPTY",
    "nan.wav": "EMPTY",
    "ps-awful.wav": "LIMIT_EXCEEDED",  # its header says a million samples per second
    "ps-bad.wav": "UNSUPPORTED_MEDIA",
    "ps-evil.wav": "UNSUPPORTED_MEDIA",
    "ps-null.wav": "NO_AUDIO",
}


@pytest.mark.parametrize("recording", BROKEN, ids=lambda recording: recording.id)
async def test_a_broken_file_has_its_stated_outcome(client: stenod.Client, recording: Recording) -> None:
    outcome, message = await _outcome(client, recording)
    assert outcome == OUTCOMES[recording.path.name], message
    if outcome not in {"WORDS", "EMPTY"}:
        assert len(message.split()) >= 3  # a sentence that a person understands


async def _outcome(client: stenod.Client, recording: Recording) -> tuple[str, str]:
    try:
        transcript = await client.transcribe(recording.path)
    except errors.JobFailed as ended:
        error = ended.job.error
        return (error.reason, error.message) if error else ("", "")
    except errors.InvalidRequest as refused:
        return refused.reason, refused.message
    if transcript.warnings:
        [(reason, message)] = transcript.warnings
        assert reason == "DAMAGED_MEDIA"
        assert transcript.words
        return "DAMAGED", message
    return ("WORDS" if transcript.words else "EMPTY"), transcript.text
