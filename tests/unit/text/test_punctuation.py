"""Where sentences end, and which marks are a word's own."""

import pytest

from stenod_server.text.punctuation import affixes, ends_sentence, ends_sentence_anyhow, split_marks, without_marks


@pytest.mark.parametrize(
    ("text", "following"),
    [
        *(
            ("No.", "I"),
            ("no.", ""),
            ('"No."', "Five"),
            ("Nos.", "Vamos"),
            ("Art.", "Es"),
            ("No...", "5"),
            ("No!", "5"),
        ),
        *(("etc.", "Then"), ("etc.", ""), ("usw.", "Dann"), ("p.m.", "Then"), ("a.m.)", "")),
        *(("I.", "Then"), ("5.", "then"), ("nombre.", ""), ("好。", "")),
    ],
)
def test_a_sentence_ends(text: str, following: str) -> None:
    assert ends_sentence(text, following)


@pytest.mark.parametrize(
    ("text", "following"),
    [
        *(("No.", "5"), ("(Nos.", "5"), ("Nr.", "12a"), ("núm.", "3"), ("Art.", "5"), ("pp.", "3")),
        *(("Dr.", "Smith"), ('"Mr.', "Smith"), ("Mme.", "Curie"), ("bzw.", "Äpfel"), ("vs.", "")),
        *(("etc.", "and"), ("p.m.", "and"), ("p.m.", "Monday"), ("p.m.", "GMT"), ("a.m.", "Eastern")),
        *(("J.", "Smith"), ("U.S.", "Army"), ("No,", ""), ("no", "5"), ("", "")),
    ],
)
def test_a_sentence_goes_on(text: str, following: str) -> None:
    assert not ends_sentence(text, following)


def test_what_ends_a_sentence_anyhow_does_so_before_any_word() -> None:
    assert all(map(ends_sentence_anyhow, ("was.", "No!", "No...", "I.", 'so."')))
    assert not any(map(ends_sentence_anyhow, ("No.", "etc.", "p.m.", "J.", "was", "")))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("'hello'.", ("'", "hello", "'.")),
        ("'Hello,'", ("'", "Hello", ",'")),
        ("‘hello’?", ("‘", "hello", "’?")),  # noqa: RUF001  as recognisers write it
        ("world.'", ("", "world", ".'")),
        ("dogs'.", ("", "dogs'", ".")),
        ("'tis,", ("", "'tis", ",")),
        ("don't", ("", "don't", "")),
        ("...", ("...", "", "")),
        ("'", ("'", "", "")),
    ],
)
def test_a_single_quote_is_a_mark_where_it_can_be_no_apostrophe(text: str, parts: tuple[str, str, str]) -> None:
    assert affixes(text) == parts
    assert without_marks(text) == parts[1]


@pytest.mark.parametrize(
    ("text", "following", "parts"),
    [
        ("No.", "", ("No", ".")),
        ("No.", "5", ("No.", "")),
        ("etc.", "", ("etc.", "")),
        ("etc.?", "", ("etc.", "?")),
        ("J...", "", ("J", "...")),
        ('"Dr.",', "", ('"Dr.', '",')),
        ("&", "", ("&", "")),
    ],
)
def test_a_word_keeps_the_point_that_is_its_own(text: str, following: str, parts: tuple[str, str]) -> None:
    assert split_marks(text, following) == parts
