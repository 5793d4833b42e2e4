"""What becomes of the reference texts of the English speech set: `formatted_references.tsv`, every change reviewed."""

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from pathlib import Path

from tests.support.formatting_cases import with_numerals
from tests.support.speech import recordings

REVIEWED = Path(__file__).with_suffix(".tsv")


def references() -> Mapping[str, str]:
    """The texts by the first recording that has them."""
    first: dict[str, str] = {}
    for recording in recordings():
        if recording.text and recording.fields["language"] == "en":
            first.setdefault(recording.text, recording.id)
    return {recording_id: text for text, recording_id in first.items()}


def reviewed() -> list[str]:
    lines = REVIEWED.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def made(texts: Mapping[str, str]) -> list[str]:
    """What is written anew in these texts, as `reviewed` has it."""
    return [f"{name}\t{change}" for name, text in texts.items() for change in changes(text, with_numerals(text))]


def changes(before: str, after: str) -> Iterator[str]:
    """What stands in place of what, with a word on either side."""
    old, new = before.split(), after.split()
    for tag, start, end, first, last in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if tag != "equal":
            around = (" ".join(old[max(0, start - 1) : start]), " ".join(old[end : end + 1]))
            yield f"{around[0]} [{' '.join(old[start:end])} → {' '.join(new[first:last])}] {around[1]}".rstrip()
