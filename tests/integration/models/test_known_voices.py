"""Who is enrolled from one recording is recognised in another, by the real model of voices.

`tests.proofs.identification` does it for everybody.
"""

from stenod_server.ports import VoiceProfile
from stenod_server.speakers.identification import identification_of_its_own
from tests.proofs.identification import VOICES, Bench, Heard, group, try_pairs
from tests.support.heard_speakers import Clip, Ear
from tests.support.models import build_models, read_audio
from tests.support.speech import needs_speech, recordings

pytestmark = needs_speech

SPEAKERS = ("ls367", "ls1688", "ls2033", "ls2609", "lj")
EACH = 2


def _clips() -> list[Clip]:
    """Some seconds each, the first of everybody's that are long enough."""
    clips = []
    for speaker in SPEAKERS:
        own = [one for one in recordings("read_en") if one.fields.get("speaker") == speaker and 6 < one.duration_s < 12]
        clips += [Clip(one.id, speaker, one.id, "clean", read_audio(one.path)) for one in own[:EACH]]
    return clips


def test_everybody_is_recognised_and_nobody_taken_for_another() -> None:
    ear = Ear(build_models(VOICES))
    profile = VoiceProfile(
        model=VOICES, family=VOICES, window_max_samples=0, dimensions=ear.dimensions, max_batch_size=1, instances=1
    )
    bench = Bench(identification_of_its_own(), profile)
    heard = []
    for clip in _clips():
        one = Heard(clip, ear.turns(clip.audio), "")
        heard.append(Heard(clip, one.turns, bench.identifier(one.turns, one.main)))
    assert {speaker: len(own) for speaker, own in group(heard).items()} == dict.fromkeys(SPEAKERS, EACH)
    trials = try_pairs(heard, bench)
    assert trials.ratio("", "same") == (1.0, 10, 10)
    assert trials.ratio("", "other") == (0.0, 0, 80)
