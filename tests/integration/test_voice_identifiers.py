"""Identifiers of voices through a whole node, with voices that are made up."""

from functools import partial
from pathlib import Path

import pytest

from stenod_server.engine.fake import FAKE_VOICE_PROFILE
from stenod_server.errors import InvalidField
from tests.support.made_up_voices import PlainFrontEnd, recording
from tests.support.node import fake_node
from tests.support.tenants import HurryingClock
from tests.support.voice_identifiers import open_desk, try_identifiers

LOOK_AGAIN_S = 10.0


async def test_an_identifier_is_good_for_its_user_alone(tmp_path: Path) -> None:
    clock = HurryingClock()

    def pass_time() -> None:
        clock.ahead_s += LOOK_AGAIN_S

    open_with = partial(fake_node, tmp_path, front_end=PlainFrontEnd(), clock=clock)
    async with open_desk(tmp_path, open_with, pass_time) as desk:
        trials = [t async for t in try_identifiers(desk, recording(*[3] * 6), recording(*[3] * 7), FAKE_VOICE_PROFILE)]
        stranger = await desk.ask(recording(*[4] * 6))
    assert not [str(trial) for trial in trials if not trial.is_passed]
    assert len(trials) > 10
    assert stranger.labels == ["S1"]


async def test_a_secret_that_is_no_good_stops_the_start_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "s.7").write_bytes(b"too short")
    with pytest.raises(InvalidField, match=r"speaker_secrets_dir: .*s\.7 has 9 bytes"):
        async with fake_node(tmp_path, speaker_secrets_dir=tmp_path):
            pass


async def test_a_node_without_secrets_makes_its_own_and_keeps_it(tmp_path: Path) -> None:
    for _ in range(2):
        async with fake_node(tmp_path, front_end=PlainFrontEnd()):
            (path,) = (tmp_path / "data" / "speaker-secrets").iterdir()
            kept = (path.name, path.read_bytes())
    assert (path.name, path.read_bytes()) == kept
