"""The pipe on which a worker answers: what is there is taken, what is not is waited for, and its end is heard."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from stenod_server.audio.answers import AnswerPipe
from stenod_server.audio.messages import PIPE_BYTES


@pytest.fixture
async def pipe() -> AsyncIterator[AnswerPipe]:
    answers = AnswerPipe()
    yield answers
    answers.close()


def taken(answers: AnswerPipe, size_bytes: int) -> bytes:
    memory = bytearray(size_bytes)
    return bytes(memory[: answers.take(memoryview(memory))])


async def test_what_is_there_is_taken_and_no_more(pipe: AnswerPipe) -> None:
    os.write(pipe.writing_end, b"windows")
    assert taken(pipe, 3) == b"win"
    assert taken(pipe, 100) == b"dows"
    assert taken(pipe, 100) == b""
    assert not pipe.has_ended
    pipe.give_away()


async def test_a_megabyte_comes_at_once(pipe: AnswerPipe) -> None:
    os.write(pipe.writing_end, bytes(PIPE_BYTES))
    assert len(taken(pipe, PIPE_BYTES)) == PIPE_BYTES
    pipe.give_away()


async def test_news_are_waited_for_each_time(pipe: AnswerPipe) -> None:
    for word in (b"one", b"two"):
        waiting = asyncio.create_task(pipe.news())
        await asyncio.sleep(0.02)
        assert not waiting.done()
        os.write(pipe.writing_end, word)
        await waiting
        assert taken(pipe, 100) == word
    pipe.give_away()


async def test_the_end_is_heard_after_all_that_was_said(pipe: AnswerPipe) -> None:
    os.write(pipe.writing_end, b"last")
    pipe.give_away()
    await pipe.news()
    assert taken(pipe, 100) == b"last"
    assert not pipe.has_ended
    await pipe.news()
    assert taken(pipe, 100) == b""
    assert pipe.has_ended


async def test_whoever_waits_hears_that_it_was_closed(pipe: AnswerPipe) -> None:
    waiting = asyncio.create_task(pipe.news())
    await asyncio.sleep(0)
    pipe.close()
    await waiting
    assert taken(pipe, 100) == b""
    assert pipe.has_ended
    await pipe.news()  # at once
    pipe.give_away()


async def test_whoever_gave_up_leaves_nothing_behind(pipe: AnswerPipe) -> None:
    waiting = asyncio.create_task(pipe.news())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not asyncio.get_running_loop().remove_reader(pipe._reading_end)
    pipe.give_away()
