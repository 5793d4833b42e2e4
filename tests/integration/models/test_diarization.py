"""Who speaks when, of real speech by the real model: `tests.proofs.diarization` in short, without Triton or a peer."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.conversations import Conversation, conversations
from bench.diarization_error import SpeakerTime
from stenod_server.domain.audio import to_samples, to_seconds
from tests.support.heard_speakers import Ear
from tests.support.models import read_audio
from tests.support.speech import needs_speech

pytestmark = needs_speech


def beginning(clip_id: str, length_s: float) -> Conversation:
    one = next(one for one in conversations() if one.clip.id == clip_id)
    truth = [replace(turn, end_s=min(turn.end_s, length_s)) for turn in one.truth if turn.start_s < length_s]
    return replace(one, clip=replace(one.clip, duration_s=length_s), truth=tuple(truth))


@pytest.mark.parametrize(
    ("clip_id", "length_s", "speakers", "most"),
    [("conv-dev-3spk", 60.0, 3, 0.08), ("ami-trn05", 30.0, 1, 0.08)],
    ids=["three readers", "a meeting with one who talks and three who say a word"],
)
def test_speakers_are_told_apart(
    built_models_dir: Path, clip_id: str, length_s: float, speakers: int, most: float
) -> None:
    recording = beginning(clip_id, length_s)
    found = Ear(built_models_dir).turns(read_audio(Path(recording.clip.path))[: to_samples(length_s)])
    turns = [
        SpeakerTime(str(turn.speaker), to_seconds(turn.start_samples), to_seconds(turn.end_samples))
        for turn in found.turns
    ]
    assert recording.error(turns, with_overlap=True).rate <= most
    assert speakers <= len(found.speakers) <= recording.speakers
    alone = [replace(turn, speaker="somebody") for turn in turns]
    if speakers > 1:  # the bound means something: it is not held by who tells nobody apart
        assert recording.error(alone, with_overlap=True).rate > 4 * most
