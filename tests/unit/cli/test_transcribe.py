import asyncio
import os
import pty
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from google.rpc import code_pb2

from stenod.v1 import job_pb2, speaker_pb2, transcript_pb2
from tests.unit.cli.conftest import COMMAND, Stenod, run_stenod
from tests.unit.client.scripted import Script, make_status


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    for name in ("a.wav", "b.mp3", "broken.wav"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


async def test_transcripts_go_to_standard_output_in_order_and_nothing_else_does(
    stenod: Stenod, recordings: Path
) -> None:
    ended = await stenod("transcribe", str(recordings / "b.mp3"), str(recordings / "a.wav"))

    assert ended.status == 0
    assert ended.out.splitlines() == [
        f"{name} TRANSCRIPT_FORMAT_TXT {index}" for name in ("b.mp3", "a.wav") for index in range(3)
    ]
    assert f"{recordings / 'a.wav'}: 15.0 s of audio in 2.0 s, 7.5 x real time" in ended.err
    assert "2 of 2 files transcribed: 30.0 s of audio" in ended.err


async def test_bars_on_a_terminal_leave_standard_output_alone(
    address: str, script: Script, recordings: Path, tmp_path: Path
) -> None:
    terminal, its_other_end = pty.openpty()
    with (tmp_path / "out").open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "transcribe", str(recordings / "a.wav"), "--server", address, stdout=out, stderr=its_other_end
        )
        os.close(its_other_end)
        shown = (await asyncio.to_thread(_all_of, terminal)).decode()
        assert await process.wait() == 0
    os.close(terminal)

    assert "━" in shown
    assert "a.wav: 15.0 s of audio" in shown
    assert (tmp_path / "out").read_text().count("\n") == script.segment_count


def _all_of(terminal: int) -> bytes:
    """What was written at the other end until nobody had it any more: at a slow terminal, more than one read gives."""
    shown = b""
    with suppress(OSError):  # EIO is the end of a terminal
        while piece := os.read(terminal, 65_536):
            shown += piece
    return shown


async def test_a_reader_that_has_gone_ends_the_command_quietly(address: str, recordings: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "transcribe", str(recordings / "a.wav"), "--server", address, stdout=write_end, stderr=-1
    )
    os.close(write_end)
    _, err = await process.communicate()

    assert process.returncode == 1
    assert b"Traceback" not in err
    assert b"Exception" not in err


async def test_one_file_s_failure_is_told_by_name_and_stops_no_other(
    stenod: Stenod, recordings: Path, tmp_path: Path
) -> None:
    files = [str(recordings / name) for name in ("broken.wav", "missing.wav", "a.wav")]

    ended = await stenod("transcribe", *files, "--format", "srt", "-o", str(tmp_path / "out"))

    assert ended.status == 1
    assert ended.out == ""
    assert f"{files[0]}: failed: the media cannot be decoded: no audio stream" in ended.err
    assert f"{files[1]}: failed: no such file or directory" in ended.err
    assert "1 of 3 files transcribed" in ended.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.srt"]
    assert (tmp_path / "out" / "a.srt").read_text().startswith("a.wav TRANSCRIPT_FORMAT_SRT 0\n")


async def test_a_dash_reads_standard_input(stenod: Stenod, script: Script) -> None:
    ended = await stenod("transcribe", "-", stdin=b"RIFF")

    assert (ended.status, list(script.media.values())) == (0, [b"RIFF"])
    assert ended.out.startswith("stdin ")


async def test_options_reach_the_job(stenod: Stenod, script: Script) -> None:
    options = ["--language", "en", "--model", "tiny", "--parallel-engines", "2", "--diarization", "channel"]

    await stenod("transcribe", "-", *options, stdin=b"RIFF")

    config = script.requests("SubmitJob")[0].config
    assert (config.language, config.model, config.scheduling.parallel_engines) == ("en", "tiny", 2)
    assert config.diarization.mode == job_pb2.DIARIZATION_MODE_CHANNEL


@pytest.mark.parametrize(
    "written",
    [
        "  Aoife \n\nSinn Féin\r\n",
        '["Aoife", {"content": "Sinn Féin"}]',
        '\ufeff ["Aoife", {"content": "Sinn Féin", "sounds_like": []}]',
    ],
)
async def test_what_is_asked_of_the_recogniser_reaches_the_job(
    stenod: Stenod, script: Script, tmp_path: Path, written: str
) -> None:
    file = tmp_path / "words.txt"
    file.write_text(written, "utf-8")
    options = ["--task", "translate", "--beam-size", "5", "--prompt", "Of harps.", "--vocabulary", str(file)]

    await stenod("transcribe", "-", *options, stdin=b"RIFF")

    config = script.requests("SubmitJob")[0].config
    assert (config.task, config.decoding.beam_size, config.decoding.prompt) == (2, 5, "Of harps.")
    assert [entry.content for entry in config.additional_vocabulary] == ["Aoife", "Sinn Féin"]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (b"[1]", "entry 0 is neither a phrase nor an object of boost, content, sounds_like: 1"),
        (
            b'["a", {"content": 5}]',
            'entry 1 is neither a phrase nor an object of boost, content, sounds_like: {"content": 5}',
        ),
        (b'[{"content": "a", "sounds_like": "b"}]', "entry 0"),
        (b'[{"content": "a", "boots": 1}]', "entry 0"),
        (b'["a"', "begins like JSON and is none"),
        (b"\xff\xfe\x00", "is no text that can be read"),
    ],
)
async def test_a_file_that_holds_no_words_is_refused_before_anything_is_sent(
    stenod: Stenod, script: Script, tmp_path: Path, written: bytes, says: str
) -> None:
    file = tmp_path / "words.txt"
    file.write_bytes(written)

    ended = await stenod("transcribe", "-", "--vocabulary", str(file), stdin=b"RIFF")

    assert ended.status == 2
    assert says in " ".join(ended.err.replace("│", " ").split())
    assert not script.requests("SubmitJob")


async def test_a_transcript_that_cannot_be_fetched_is_a_failure_and_leaves_no_file(
    stenod: Stenod, script: Script, recordings: Path, tmp_path: Path
) -> None:
    script.faults["GetTranscript"] = [make_status(code_pb2.UNIMPLEMENTED, "FEATURE_NOT_BUILT", "json-v2 is not built")]

    ended = await stenod(
        "transcribe", str(recordings / "a.wav"), "--format", "json-v2", "--output-dir", str(tmp_path / "out")
    )

    assert ended.status == 1
    assert "json-v2 is not built" in ended.err
    assert list((tmp_path / "out").iterdir()) == []


async def test_a_file_is_not_called_done_before_its_transcript_is_out(
    stenod: Stenod, script: Script, recordings: Path
) -> None:
    script.faults["GetTranscript"] = [make_status(code_pb2.UNIMPLEMENTED, "FEATURE_NOT_BUILT", "json-v2 is not built")]

    ended = await stenod("transcribe", str(recordings / "a.wav"), "--format", "json-v2")

    assert (ended.status, ended.err) == (1, f"{recordings / 'a.wav'}: failed: json-v2 is not built\n")


async def test_without_a_server_it_says_how_to_start_one(recordings: Path) -> None:
    ended = await run_stenod("transcribe", str(recordings / "a.wav"), "--server", "127.0.0.1:1")

    assert ended.status == 1
    assert "no stenod server answers at 127.0.0.1:1; start one with `stenod serve`" in ended.err
    assert len(ended.err.splitlines()) == 1


async def test_two_files_that_would_overwrite_each_other_are_refused_before_anything_is_sent(
    stenod: Stenod, script: Script, tmp_path: Path
) -> None:
    ended = await stenod("transcribe", "x/a.wav", "y/a.mp3", "-o", str(tmp_path))

    assert ended.status == 2
    assert "a.txt" in ended.err
    assert not script.calls


async def test_the_transcript_of_an_address_is_called_after_its_path(stenod: Stenod, tmp_path: Path) -> None:
    ended = await stenod("transcribe", "https://h.example/in/a.mp3?sig=secret", "-o", str(tmp_path))

    assert ended.status == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


async def test_who_said_what_reaches_the_job(stenod: Stenod, script: Script, tmp_path: Path) -> None:
    (tmp_path / "known.json").write_text('{"Ann": ["one", "two"]}')
    options = ["--diarization", "speaker", "--speakers", "3", "--speaker-sensitivity", "0.7"]
    options += ["--prefer-current-speaker", "--return-speaker-identifiers"]
    options += ["--known-speakers", str(tmp_path / "known.json"), "--user-id", "u1"]

    await stenod("transcribe", "-", *options, stdin=b"RIFF")
    await stenod("transcribe", "-", "--diarization", "channel", *("--channel-label", "a") * 2, stdin=b"RIFF")

    assert [request.config.user_id for request in script.requests("SubmitJob")] == ["u1", ""]
    speaker, channel = [request.config.diarization for request in script.requests("SubmitJob")]
    assert speaker == job_pb2.DiarizationConfig(
        mode=job_pb2.DIARIZATION_MODE_SPEAKER,
        min_speakers=3,
        max_speakers=3,
        speaker_sensitivity=0.7,
        prefer_current_speaker=True,
        return_speaker_identifiers=True,
        known_speakers=[speaker_pb2.KnownSpeaker(label="Ann", identifiers=["one", "two"])],
    )
    assert channel == job_pb2.DiarizationConfig(mode=job_pb2.DIARIZATION_MODE_CHANNEL, channel_labels=["a", "a"])


async def test_how_the_text_is_written_reaches_the_job(stenod: Stenod, script: Script) -> None:
    options = ["--numerals", "--entities", "--no-casing", "--remove-disfluencies", "--profanity", "mask"]
    options += ["--permitted-mark", ".", "--permitted-mark", "?"]
    options += ["--locale", "en-GB", "--volume-threshold", "2.5", "--replace", "a=b", "--replace", "/x=y/="]
    options += ["--max-line-length", "30", "--max-lines", "1", "--max-characters-per-second", "15", "--min-gap", "0.5"]

    await stenod("transcribe", "-", *options, "--no-speaker-names", stdin=b"RIFF")

    config = script.requests("SubmitJob")[0].config
    assert config.formatting == job_pb2.FormattingConfig(
        numerals=True,
        entities=True,
        casing=False,
        remove_disfluencies=True,
        profanity_filter=job_pb2.PROFANITY_FILTER_MASK,
        permitted_marks=[".", "?"],
        output_locale="en-GB",
        volume_threshold=2.5,
        replacements=[
            job_pb2.Replacement(pattern="a", replacement="b"),
            job_pb2.Replacement(pattern="/x=y/", replacement=""),
        ],
    )
    assert config.rendering.subtitles == transcript_pb2.SubtitleOptions(
        max_line_length=30,
        max_lines=1,
        max_characters_per_second=15,
        min_gap=timedelta(milliseconds=500),
        speaker_names=False,
    )


async def test_what_is_not_asked_for_is_left_to_the_server(stenod: Stenod, script: Script) -> None:
    await stenod("transcribe", "-", stdin=b"RIFF")

    assert script.requests("SubmitJob")[0].config == job_pb2.JobConfig()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--replace", "a"], "'a' is not like FROM=TO"),
        (["--replace", "=a"], "'=a' is not like FROM=TO"),
        (["--speakers", "2", "--min-speakers", "1"], "goes without --min-speakers and --max-speakers"),
        (["--speakers", "0"], "Invalid value for '--speakers': Input should be greater than or equal to 1"),
        (["--speaker-sensitivity", "2"], "'--speaker-sensitivity': Input should be less than or equal to 1"),
    ],
)
async def test_options_that_make_no_sense_are_refused_before_anything_is_sent(
    stenod: Stenod, script: Script, options: list[str], says: str
) -> None:
    ended = await stenod("transcribe", "-", *options, stdin=b"RIFF")

    assert (ended.status, script.calls) == (2, [])
    assert says in " ".join(ended.err.split())


@pytest.mark.parametrize("written", [b"[1]", b'{"Ann": "x"}', b"{", b"\xff\xfe\x00"])
async def test_a_file_that_holds_no_speakers_is_refused_before_anything_is_sent(
    stenod: Stenod, script: Script, tmp_path: Path, written: bytes
) -> None:
    (tmp_path / "known.json").write_bytes(written)

    ended = await stenod("transcribe", "-", "--known-speakers", str(tmp_path / "known.json"), stdin=b"RIFF")

    assert (ended.status, script.calls) == (2, [])
    assert "--known-speakers" in ended.err
