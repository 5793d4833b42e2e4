"""Forms, however they are cut into pieces on their way."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenod_server.errors import InvalidField, LimitExceeded, StenodError
from stenod_server.rest import multipart
from stenod_server.rest.multipart import Form
from tests.unit.rest.forms import BOUNDARY, Field, encoded, request

_NAMES = st.text("abcdefghij_[]", min_size=1, max_size=8)
_VALUES = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from([b"\r\n", b"--", BOUNDARY.encode(), b"\r\n--", b"x", b"\n"]), max_size=8).map(b"".join),
).filter(lambda value: f"\r\n--{BOUNDARY}".encode() not in b"\r\n" + value)
_FIELDS = st.lists(st.tuples(_NAMES, st.one_of(st.none(), st.just("talk.wav")), _VALUES), max_size=5)


async def _read(body: bytes, cuts: tuple[int, ...] = (), content_type: str | None = None) -> list[Field]:
    form = Form(request(body, cuts, content_type))
    return [
        (part.name, part.file_name or None, b"".join([chunk async for chunk in part.chunks()]))
        async for part in form.parts()
    ]


@given(_FIELDS, st.lists(st.integers(0, 10_000), max_size=20))
def test_a_form_is_read_as_it_was_written_wherever_it_is_cut(fields: list[Field], cuts: list[int]) -> None:
    assert asyncio.run(_read(encoded(fields), tuple(cuts))) == fields


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_any_bytes_are_a_form_or_are_refused(body: bytes, cuts: list[int]) -> None:
    try:
        asyncio.run(_read(body, tuple(cuts)))
    except StenodError as error:
        assert isinstance(error, InvalidField)  # noqa: PT017  either outcome is right


async def test_what_a_reader_leaves_is_skipped() -> None:
    form = Form(request(encoded([("a", None, b"1" * 5000), ("b", None, b"2")]), tuple(range(0, 5000, 64))))
    assert [part.name async for part in form.parts()] == ["a", "b"]


@pytest.mark.parametrize("cut", [4, 10, 60])
async def test_a_body_that_ends_too_early_is_refused(cut: int) -> None:
    with pytest.raises(InvalidField, match="body: ends before its last boundary"):
        await _read(encoded([("a", "a.wav", b"12345")])[:-cut])


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=a"])
async def test_what_is_no_form_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidField, match="content-type: must be multipart/form-data with a boundary"):
        await _read(b"{}", content_type=content_type)


async def test_a_part_without_a_name_is_refused() -> None:
    body = encoded([("a", None, b"1")]).replace(b'; name="a"', b"")
    with pytest.raises(InvalidField, match="has a part without a name"):
        await _read(body)


async def test_parts_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MAX_PARTS", 3)
    assert len(await _read(encoded([("a", None, b"1")] * 3))) == 3
    with pytest.raises(LimitExceeded, match="parts of a form"):
        await _read(encoded([("a", None, b"1")] * 4))


async def test_all_texts_together_have_a_limit() -> None:
    form = Form(
        request(encoded([("a", None, b"12345"), ("b", None, b"12345"), ("c", None, b"1")])), max_fields_bytes=10
    )
    with pytest.raises(LimitExceeded, match="c: more than 10 allowed by bytes of all fields of a form"):
        [await form.text(part) async for part in form.parts()]


async def test_a_text_is_utf_8() -> None:
    form = Form(request(encoded([("a", None, b"\xff")])))
    with pytest.raises(InvalidField, match="a: is no UTF-8 text"):
        [await form.text(part) async for part in form.parts()]
