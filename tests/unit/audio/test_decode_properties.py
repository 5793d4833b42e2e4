"""Any bytes → windows or InvalidRequest, never another error."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stenod_server.audio.front_end import recording
from stenod_server.errors import InvalidRequest
from stenod_server.ports import AudioSummary, WindowPlan
from tests.support.waves import LoudIsSpeech, talk, write_wav

PLAN = WindowPlan(window_target_samples=160_000, window_max_samples=320_000, max_decoded_s=30)
MAGIC = [
    b"",
    b"RIFF\xff\xff\xff\xffWAVEfmt ",
    b"ID3\x04\x00\x00",
    b"\xff\xfb\x90\x44",
    b"fLaC\x00\x00\x00\x22",
    b"OggS\x00\x02",
]
MAGIC += [
    b"\x1aE\xdf\xa3",
    b"\x00\x00\x00\x20ftypM4A ",
    b"FORM\x00\x00\x10\x00AIFF",
    b"caff\x00\x01",
    b".snd\x00\x00\x00\x18",
    b"FLV\x01\x05",
]
MAGIC += [
    b"#!AMR\n",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c",
    b"riff\x2e\x91\xcf\x11",
    b"wvpk",
    b"\xff\xf1\x50\x80",
]


def outcome(content: bytes) -> AudioSummary | InvalidRequest:
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(content)
        file.flush()
        try:
            *_, last = recording(Path(file.name), PLAN, LoudIsSpeech())
        except InvalidRequest as error:
            return error
        assert isinstance(last, AudioSummary)
        return last


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(MAGIC), st.binary(max_size=3000))
def test_any_bytes_end_well(magic: bytes, rest: bytes) -> None:
    outcome(magic + rest)


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_wav(tmp_path_factory.mktemp("wav") / "a.wav", talk(2)).read_bytes()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_wav_file_with_changed_bytes_ends_well(wav: bytes, data: st.DataObject) -> None:
    content = bytearray(wav[: data.draw(st.integers(0, len(wav)))])
    for _ in range(data.draw(st.integers(0, 8))):
        if content:
            content[data.draw(st.integers(0, min(len(content), 64) - 1))] = data.draw(st.integers(0, 255))
    outcome(bytes(content))
