"""What replacements write, whatever is asked of them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stenod_server.domain.formatting import Formatting, Replacement
from stenod_server.domain.formatting_rules import FIELDS
from stenod_server.domain.transcript import Segment
from stenod_server.errors import InvalidField
from stenod_server.text.formatting import Formatter, rules
from tests.support.formatting_cases import spoken


def _formatter(*asked: tuple[str, str], numerals: bool = False) -> Formatter:
    return Formatter(_asking(asked, numerals=numerals), "en")


def _asking(asked: Iterable[tuple[str, str]], *, numerals: bool = False) -> Formatting:
    return Formatting(numerals=numerals, replacements=tuple(Replacement(*one) for one in asked))


def _replaced(said: str, *asked: tuple[str, str]) -> str | None:
    segment = _formatter(*asked).format(spoken(said.split()))
    return segment.text if segment else None


@pytest.mark.parametrize(
    ("said", "pattern", "replacement", "written"),
    [
        ("Mr. Muller", "/Muller/", "Müller", "Mr. Müller"),
        ("it is $25 now", r"/\$(\d+)/", r"€\1", "it is €25 now"),
        ("Grüße, Möller", r"/(ö)(ll)/", r"\2é\1", "Grüße, Mlléöer"),
        ("tokyo and 東京", r"/tokyo|東(京)/", r"とうきょう\1", "とうきょう and とうきょう京"),
        ("well done", "/done/", "👩‍🚀🎉", "well 👩‍🚀🎉"),
        ("cafe noir", "/cafe/", "cafe\u0301", "cafe\u0301 noir"),
        ("cafe\u0301 noir", "/(e\u0301)/", r"<\1>", "caf<e\u0301> noir"),
        ("muller", "muller", "Müller 東京 🎉", "Müller 東京 🎉"),
    ],
)
def test_text_of_any_script_is_written_as_it_was_given(said: str, pattern: str, replacement: str, written: str) -> None:
    assert _replaced(said, (pattern, replacement)) == written


@pytest.mark.parametrize(
    ("replacement", "written"),
    [(r"\2\1", "ba"), (r"\\", "\\"), (r"\\1", r"\1"), (r"\10", "a0"), (r"\\\1\\", r"\a" + "\\"), ("{1} $1", "{1} $1")],
)
def test_groups_and_backslashes_are_written(replacement: str, written: str) -> None:
    assert _replaced("ab", ("/(a)(b)/", replacement)) == written


@pytest.mark.parametrize(
    ("replacement", "problem"),
    [
        (r"\ud800", r"\u in the replacement is no escape"),
        ("\\", "\\ in the replacement is no escape"),
        ("\\" * 3, "\\ in the replacement is no escape"),
        (r"\x", r"\x in"),
        (r"\N", r"\N in"),
        (r"\ué", r"\u in"),
        (r"\n", r"\n in"),
        (r"\0", r"\0 in"),
        (r"\²", r"\² in"),
        ("\\\n", "is no escape"),
        (r"\g<9>", r"\g in"),
        (r"\g<foo>", r"\g in"),
        (r"\2", "no group"),
        (r"\\\2", "no group"),
        (r"\92", "no group"),
        ("\ud800", "surrogate"),
    ],
)
def test_an_escape_that_is_none_is_refused_by_name(replacement: str, problem: str) -> None:
    with pytest.raises(InvalidField) as refused:
        _check(("a", "b"), ("/(.)*/", replacement))
    assert refused.value.field == "config.formatting.replacements.1"
    assert problem in refused.value.problem


@pytest.mark.parametrize(("pattern", "replacement"), [("\udfff", "a"), ("a", "\udfff"), ("/\ud800/", "a")])
def test_half_a_character_is_refused_wherever_it_is(pattern: str, replacement: str) -> None:
    with pytest.raises(InvalidField, match="surrogate"):
        _check((pattern, replacement))


def test_the_replacement_of_words_has_no_escapes() -> None:
    _check(("a", "\\"), ("b", r"\ud800"))
    assert _replaced("a b", ("a", "\\"), ("b", r"\1\x")) == r"\ \1\x"


@pytest.mark.parametrize(
    ("said", "pattern", "replacement", "written"),
    [
        ("the dog barks", "/(x)?dog/", r"\1", "the barks"),
        ("the quick, fox.", "/quick/", "\n", "the fox."),
        ("the quick fox.", "/fox/", "\u2003", "the quick."),
        ("the dogs bark", "/(x)?dog/", r"\1", "the s bark"),
        ("dog", "/(x)?dog/", r"\1", None),
    ],
)
def test_where_nothing_is_written_the_word_goes(said: str, pattern: str, replacement: str, written: str | None) -> None:
    assert _replaced(said, (pattern, replacement)) == written


def test_a_segment_is_written_anew_a_bounded_number_of_times() -> None:
    formatter = _formatter(*[("the", "teh"), ("teh", "the")] * 500)
    segment = spoken(["the", *["word"] * 79])
    assert formatter.format(segment) == segment
    (warning,) = formatter.warnings()
    assert warning.message.startswith("formatting.replacements:")


def test_a_hundred_that_are_made_are_made() -> None:
    formatter = _formatter(*[(f"a{number}", f"a{number + 1}") for number in range(100)])
    segment = formatter.format(spoken(["a0", *["word"] * 75]))
    assert segment is not None
    assert segment.words[0].text == "a100"
    assert formatter.warnings() == ()


def test_expressions_that_are_too_much_work_are_not_looked_for() -> None:
    formatter = _formatter(("a", "b"), *[(f"/(?:[a-z ]?){{1000}}{number}/", "x") for number in range(100)], ("b", "c"))
    segment = formatter.format(spoken(["a"] * 200))
    assert segment is not None
    assert set(segment.text) == {"b", " "}
    assert formatter.warnings() == (rules.CUT_SHORT,)


def test_of_a_thousand_replacements_those_behind_the_last_that_was_made_are_made() -> None:
    others = [(f"other{number}", "x") for number in range(400)]
    assert _replaced("a b", ("b", "x"), *others, ("a", "b"), ("/b/", "c"), *others, ("c", "d")) == "d x"


def _check(*asked: tuple[str, str]) -> None:
    rules.check(_asking(asked), "en", FIELDS)


_characters = st.sampled_from([*"ab1\\()[]?*+.|^$/ \n\u2003,.!é漢🎉\u0301-'x", r"\1", r"\2", r"\\", "(a)?", "(.)"])
_anything = st.lists(_characters, max_size=6).map("".join)
_patterns = _anything.filter(str.strip) | _anything.map("/{}/".format) | st.text(max_size=4).map("/{}/".format)
_one = st.tuples(_patterns.filter(str.strip), _anything | st.text(max_size=4))
_words = st.lists(
    st.sampled_from(["a", "b,", "ab", "A.", "1a", "—", "é", "漢字", "🎉", "e\u0301", '"a"', "twenty", "a b"])
    | st.text(st.characters(codec="utf-8"), min_size=1, max_size=5).filter(str.strip),
    min_size=1,
    max_size=8,
)


@settings(max_examples=400, deadline=None)
@given(texts=_words, asked=st.lists(_one, min_size=1, max_size=3), numerals=st.booleans())
@example(texts=["quick"], asked=[("/quick/", "\n")], numerals=False)
@example(texts=["dog"], asked=[("/(x)?dog/", r"\1")], numerals=False)
def test_what_is_accepted_gives_words_with_text(
    *, texts: list[str], asked: list[tuple[str, str]], numerals: bool
) -> None:
    try:
        _check(*asked)
    except InvalidField:
        return
    segment = _formatter(*asked, numerals=numerals).format(spoken(texts))
    for word in segment.words if segment else ():
        assert word.text.strip()
        word.text.encode()


@settings(max_examples=200, deadline=None)
@given(
    bounds=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 300)), min_size=1, max_size=8),
    asked=st.lists(
        st.tuples(st.sampled_from(["a", "a a", "/a/", "/a a/", "/ /"]), st.sampled_from(["", "a", "a b", "c a b"])),
        min_size=1,
        max_size=3,
    ),
)
@example(bounds=[(0, 100), (50, 10)], asked=[("/^a/", "a b c")])
def test_words_start_in_order_even_where_they_were_said_at_once(
    bounds: list[tuple[int, int]], asked: list[tuple[str, str]]
) -> None:
    said = _overlapping(sorted(bounds))
    segment = _formatter(*asked).format(said)
    words = segment.words if segment else ()
    assert all(a.start_samples <= b.start_samples for a, b in pairwise(words))
    last = max(word.end_samples for word in said.words)
    assert all(0 <= word.start_samples <= word.end_samples <= last for word in words)


def _overlapping(bounds: Sequence[tuple[int, int]]) -> Segment:
    """A segment of words `a` that begin and last so."""
    given = spoken(["a"] * len(bounds))
    timed = zip(given.words, bounds, strict=True)
    return replace(
        given, words=tuple(replace(word, start_samples=at, end_samples=at + length) for word, (at, length) in timed)
    )
