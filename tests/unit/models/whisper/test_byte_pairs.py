import pytest

from stenod_models.families.whisper import byte_pairs
from tests.support.whisper_checkpoints import tokens

NUMBERS = {byte_pairs.bytes_of(token): number for number, token in enumerate(tokens()) if not token.startswith("<|")}


def test_every_byte_has_a_character_of_its_own() -> None:
    table = byte_pairs.character_of_byte()
    assert len(set(table.values())) == 256
    assert byte_pairs.bytes_of("".join(table[byte] for byte in range(256))) == bytes(range(256))


def test_pairs_are_merged_in_the_order_they_were_learnt() -> None:
    spelled = [tokens()[number] for number in byte_pairs.encode(" the lobster", NUMBERS)]
    assert spelled == ["Ġthe", "Ġ", "lo", "bs", "ter"]
    assert [tokens()[number] for number in byte_pairs.encode("ere", NUMBERS)] == ["e", "re"]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (" It's 42 dogs!", [" It", "'s", " 42", " dogs", "!"]),
        ("a  b\n\nc ", ["a", " ", " b", "\n", "\n", "c", " "]),
        ("we'll", ["we", "'ll"]),
        ("x²", ["x", "²"]),
        ("", []),
    ],
)
def test_text_falls_into_runs(text: str, pieces: list[str]) -> None:
    assert list(byte_pairs.pieces(text)) == pieces


@pytest.mark.parametrize(
    "text", [" the lobster", " Ärger über 12 Dinge…", "don't we'll", " 你好、世界", "a  b\n c\t d  ", "\u00b2 x_y 🦞"]
)
def test_tokens_are_those_of_the_reference(text: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    from tests.support.whisper_checkpoints import reference_tokenizer  # noqa: PLC0415

    assert tokenizers is not None
    assert byte_pairs.encode(text, NUMBERS) == reference_tokenizer().encode(text, add_special_tokens=False).ids
