"""A rare name is heard because a job asks for it, through every API, by the real model on real speech."""

import json
from pathlib import Path
from typing import Any, Final

import httpx
import openai
import pytest

import stenod
from tests.support.server import RunningServer
from tests.support.speech import needs_speech, recordings

pytestmark = [pytest.mark.triton, *needs_speech]

# What is read in them is not heard greedily.
NEILD: Final = "lj-LJ002-0007"
GUNTHER: Final = "lj-LJ001-0066"
BY_BEAM_ALONE: Final = ("lj-LJ001-0064", "subiaco")
BEAM: Final = 5


def _path(name: str) -> Path:
    return next(one.path for one in recordings() if one.path.stem == name)


@pytest.mark.parametrize(("recording", "name"), [(NEILD, "Neild"), (GUNTHER, "Gunther")])
async def test_a_name_of_the_vocabulary_is_heard(client: stenod.Client, recording: str, name: str) -> None:
    without = await client.transcribe(_path(recording), language="en")
    entry: stenod.VocabularyEntry = {"content": name}
    heard = await client.transcribe(_path(recording), language="en", vocabulary=[entry, "Manasseh"])
    assert name.lower() not in without.text.lower()
    assert name in heard.text
    assert "manasseh" not in heard.text.lower()
    assert heard.warnings == without.warnings == ()


async def test_a_spelling_that_is_heard_is_written_as_the_name(client: stenod.Client) -> None:
    entry: stenod.VocabularyEntry = {"content": "Neild & Sons", "sounds_like": ["neild"]}
    heard = await client.transcribe(_path(NEILD), language="en", vocabulary=[entry])
    assert heard.text.startswith("Neild & Sons")


async def test_a_beam_hears_what_greedy_decoding_does_not(client: stenod.Client) -> None:
    recording, name = BY_BEAM_ALONE
    texts = [
        (await client.transcribe(_path(recording), language="en", vocabulary=[name], beam_size=size)).text.lower()
        for size in (1, BEAM)
    ]
    assert [name in text for text in texts] == [False, True]


async def test_one_bad_entry_is_refused_by_its_name(client: stenod.Client) -> None:
    with pytest.raises(stenod.errors.InvalidRequest, match=r"config\.additional_vocabulary\.1\.content: more than 6"):
        await client.submit(_path(NEILD), vocabulary=["Neild", "a b c d e f g"])
    with pytest.raises(stenod.errors.InvalidRequest, match=r"config\.decoding\.prompt: moonshine-tiny-en takes none"):
        await client.submit(_path(NEILD), prompt="Of figures.")


async def test_a_name_of_the_vocabulary_is_heard_through_speechmatics(server: RunningServer) -> None:
    async def text(**transcription: Any) -> str:
        config = {"type": "transcription", "transcription_config": {"language": "en", **transcription}}
        files: dict[str, Any] = {"config": (None, json.dumps(config)), "data_file": _path(NEILD).read_bytes()}
        answer = await http.post("/v2/jobs", files=files, params={"wait": 60, "format": "txt"}, timeout=90)
        return str(answer.json()["txt"])

    async with httpx.AsyncClient(base_url=f"http://{server.http}") as http:
        assert "neild" not in (await text()).lower()
        assert "Neild" in await text(additional_vocab=["Neild"])
        assert "Neild" in await text(additional_vocab=[{"content": "Neild", "sounds_like": ["needled"]}])


async def test_a_keyword_is_heard_through_openai(server: RunningServer) -> None:
    async with openai.AsyncOpenAI(base_url=f"http://{server.http}/v1", api_key="any", max_retries=0) as asking:

        async def text(**more: Any) -> str:
            given: dict[str, Any] = {"file": _path(NEILD), "model": "whisper-1", "language": "en", **more}
            return str((await asking.audio.transcriptions.create(**given)).text)

        assert "neild" not in (await text()).lower()
        assert "Neild" in await text(extra_body={"keywords": ["Neild"]})
        assert "Neild" in await text(extra_body={"hotwords": "Manasseh, Neild"}, prompt="Of figures.")
