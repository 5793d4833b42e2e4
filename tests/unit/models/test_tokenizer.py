import pytest

from stenod_models.decoding.spellings import Span
from stenod_models.families.moonshine.tokenizer import Tokenizer, parse_pieces

SPECIAL = [b"<unk>", b"<s>", b"</s>"]
BYTES = [bytes([value]) for value in range(256)]
WORDS = [
    "▁hello".encode(),
    b"wor",
    "▁".encode(),
    b"ld",
    b",",
    b".",
    "▁-".encode(),
    "▁…".encode(),
    "▁two▁words".encode(),
]
FIRST_WORD = len(SPECIAL) + len(BYTES)
HELLO, WOR, SPACE, LD, COMMA, STOP, DASH, DOTS, TWO = range(FIRST_WORD, FIRST_WORD + len(WORDS))


@pytest.fixture
def tokenizer() -> Tokenizer:
    return Tokenizer([*SPECIAL, *BYTES, *WORDS])


def byte_tokens(text: str) -> list[int]:
    return [len(SPECIAL) + value for value in text.encode()]


def test_a_space_begins_a_word_and_punctuation_stays_with_it(tokenizer: Tokenizer) -> None:
    words = tokenizer.words([HELLO, COMMA, SPACE, WOR, LD, STOP])
    assert words == [Span("hello,", 0, 1), Span("world.", 2, 5)]


def test_the_first_piece_begins_a_word_without_a_space(tokenizer: Tokenizer) -> None:
    assert tokenizer.words([WOR, LD]) == [Span("world", 0, 1)]


def test_bytes_spell_characters_that_have_no_piece(tokenizer: Tokenizer) -> None:
    tokens = [SPACE, *byte_tokens("né€")]
    assert tokenizer.words(tokens) == [Span("né€", 0, len(tokens) - 1)]


def test_bytes_that_are_not_utf8_become_replacement_characters(tokenizer: Tokenizer) -> None:
    assert [word.text for word in tokenizer.words([HELLO, *byte_tokens("é")[:1]])] == ["hello�"]


def test_closing_punctuation_alone_joins_the_word_before(tokenizer: Tokenizer) -> None:
    assert tokenizer.words([HELLO, DOTS]) == [Span("hello…", 0, 1)]


def test_a_dash_alone_is_a_word(tokenizer: Tokenizer) -> None:
    assert [word.text for word in tokenizer.words([HELLO, DASH, HELLO])] == ["hello", "-", "hello"]


def test_spaces_and_special_tokens_spell_nothing(tokenizer: Tokenizer) -> None:
    assert tokenizer.words([]) == []
    assert tokenizer.words([1, SPACE, SPACE, 2]) == []


def test_a_piece_with_an_inner_space_stays_one_word(tokenizer: Tokenizer) -> None:
    assert [word.text for word in tokenizer.words([TWO])] == ["twowords"]


def test_lengths_from_128_take_two_bytes() -> None:
    long_piece = b"x" * 300
    data = bytes([2]) + b"ab" + bytes([128 + 300 % 128, 300 // 128]) + long_piece
    assert parse_pieces(data) == [b"ab", long_piece]


@pytest.mark.parametrize("data", [b"\x05abc", b"\x02ab\x80"])
def test_a_tokenizer_cut_short_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="ends inside"):
        parse_pieces(data)


def test_text_becomes_the_tokens_of_the_earliest_merges() -> None:
    pieces = ["ab", "bc", "▁a", "▁ab", "▁", "a", "b", "c"]
    early = Tokenizer([*SPECIAL, *BYTES, *(piece.encode() for piece in pieces)])
    ab, bc, _a, space_ab, space, _single, b, c = range(FIRST_WORD, FIRST_WORD + len(pieces))
    assert early.tokens("abc") == [space_ab, c]
    assert early.tokens("bc ab") == [space, bc, space_ab]
    assert early.tokens("b") == [space, b]
    assert ab not in early.tokens("ab")


def test_text_outside_the_vocabulary_becomes_bytes(tokenizer: Tokenizer) -> None:
    assert tokenizer.tokens("é") == [SPACE, *byte_tokens("é")]


def test_texts_tell_where_words_begin(tokenizer: Tokenizer) -> None:
    texts = tokenizer.texts()
    assert [texts[token] for token in (0, HELLO, WOR, COMMA, TWO)] == ["", " hello", "wor", ",", " two words"]
