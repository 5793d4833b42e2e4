import json
from pathlib import Path

from stenod_models.families.parakeet.vocabulary import FILE_NAME, Vocabulary

PIECES = ["", "▁the", "▁c", "at", ".", "▁", "<0xC3>", "<0xA9>", "▁,", "s"]
VOCABULARY = Vocabulary(PIECES)


def words(*tokens: int) -> list[str]:
    return [word.text for word in VOCABULARY.words(tokens)]


def test_pieces_become_words_with_their_punctuation() -> None:
    assert words(1, 2, 3, 4) == ["the", "cat."]
    assert words(3, 1) == ["at", "the"]
    assert words() == []


def test_a_word_knows_its_tokens_and_where_its_sound_ends() -> None:
    tokens = [1, 2, 3, 4]
    the, cat = VOCABULARY.words(tokens)
    assert (the.first, the.last, VOCABULARY.last_sounding(tokens, the)) == (0, 0, 0)
    assert (cat.first, cat.last, VOCABULARY.last_sounding(tokens, cat)) == (1, 3, 2)


def test_punctuation_that_stands_alone_joins_the_word_before_it() -> None:
    (word,) = VOCABULARY.words([2, 3, 8])
    assert (word.text, word.last, VOCABULARY.last_sounding([2, 3, 8], word)) == ("cat,", 2, 1)


def test_a_space_alone_opens_a_word() -> None:
    assert words(5, 3, 5, 9) == ["at", "s"]


def test_bytes_spell_characters_and_broken_ones_are_marked() -> None:
    assert words(2, 6, 7) == ["cé"]
    assert words(2, 6) == ["c�"]


def test_control_tokens_and_unknown_numbers_are_no_text() -> None:
    assert words(0, 1, 0, 99) == ["the"]


def test_it_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps(PIECES), encoding="utf-8")
    assert [word.text for word in Vocabulary.load(tmp_path).words([2, 3])] == ["cat"]


def test_a_phrase_is_spelt_by_merging_and_by_the_longest_pieces() -> None:
    vocabulary = Vocabulary(["", "▁", "a", "b", "c", "ab", "▁a", "bc"])
    assert vocabulary.spellings("abc") == [(1, 5, 4), (6, 7)]  # "ab" was learnt before "▁a"
    assert vocabulary.spellings("a c") == [(6, 1, 4)]


def test_letters_without_a_piece_are_spelt_by_their_bytes_or_not_at_all() -> None:
    assert VOCABULARY.spellings("sé") == [(5, 9, 6, 7)]
    assert VOCABULARY.spellings("sx") == []


def test_the_text_of_a_token_tells_where_words_begin() -> None:
    assert VOCABULARY.texts()[:7] == ["", " the", " c", "at", ".", " ", "x"]
