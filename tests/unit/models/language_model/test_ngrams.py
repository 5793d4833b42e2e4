"""Back-off worked out by hand, and against a plain reading of the definition on random models."""

import gzip
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stenod_models.language_model.arpa import BrokenArpaError, read_arpa
from stenod_models.language_model.ngrams import NgramModel

# Written by hand: "the cat" is a bigram, "the dog" is not; "<s> the cat" is a trigram.
SMALL = """\\data\\
ngram 1=6
ngram 2=4
ngram 3=2

\\1-grams:
-1.0\t<unk>
-99\t<s>\t-0.30
-0.9\t</s>
-0.5\tthe\t-0.40
-1.1\tcat\t-0.25
-1.3\tdog

\\2-grams:
-0.2\t<s> the\t-0.15
-0.35\tthe cat\t-0.10
-0.6\tcat </s>
-0.7\tdog </s>\t-0.05

\\3-grams:
-0.12\t<s> the cat
-0.33\tthe cat </s>

\\end\\
"""


@pytest.fixture
def small(tmp_path: Path) -> NgramModel:
    path = tmp_path / "small.arpa"
    path.write_text(SMALL)
    return read_arpa(path)


def sentence_log10(model: NgramModel, words: Sequence[str]) -> list[float]:
    """Of each word behind the ones before, and of the end."""
    history, scores = model.begin, []
    for word in words:
        score, history = model.score(history, word)
        scores.append(score)
    return [*scores, model.score_end(history)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # p(the|<s>), p(cat|<s> the), p(</s>|the cat)
        (["the", "cat"], [-0.2, -0.12, -0.33]),
        # "<s> the dog" and "the dog" are missing: bo(<s> the) + bo(the) + p(dog); bo(the dog) is none, p(</s>|dog)
        (["the", "dog"], [-0.2, -0.15 - 0.40 - 1.3, -0.7]),
        # bo(<s>) + p(cat), then p(</s>|cat), "<s> cat" has no weight
        (["cat"], [-0.30 - 1.1, -0.6]),
        # an unknown word, and behind it nothing is known of its history
        (["bird", "the"], [-0.30 - 1.0, -0.5, -0.40 - 0.9]),
        (["the", "cat", "cat"], [-0.2, -0.12, -0.10 - 0.25 - 1.1, -0.6]),
        ([], [-0.30 - 0.9]),
    ],
)
def test_scores_are_those_worked_out_by_hand(small: NgramModel, words: list[str], expected: list[float]) -> None:
    assert sentence_log10(small, words) == pytest.approx(expected, abs=1e-6)


def test_a_capital_is_looked_up_in_small_letters(small: NgramModel) -> None:
    assert small.number_of("The") == small.number_of("the")
    assert small.number_of("Bird") == small.number_of("<unk>")


def test_a_gzipped_file_is_read(tmp_path: Path, small: NgramModel) -> None:
    path = tmp_path / "small.arpa.gz"
    path.write_bytes(gzip.compress(SMALL.encode()))
    assert sentence_log10(read_arpa(path), ["the"]) == sentence_log10(small, ["the"])


def test_a_model_without_an_unknown_word_gets_one(tmp_path: Path) -> None:
    path = tmp_path / "closed.arpa"
    path.write_text("\\data\\\nngram 1=2\n\n\\1-grams:\n-0.5 a\n-0.3 </s>\n\n\\end\\\n")
    assert sentence_log10(read_arpa(path), ["a", "b"]) == pytest.approx([-0.5, -100.0, -0.3])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\\data\\", "data", "ends early"),
        ("ngram 2=4", "ngram 3=4", "'ngram 2=…' expected"),
        ("ngram 2=4", "ngram 2=5", "line 20: 2 words with a probability expected"),
        ("ngram 2=4", "ngram 2=3", r"\\3-grams: expected, found '-0.7"),
        ("the cat\t-0.10", "the bird\t-0.10", "'bird' is not among the 1-grams"),
        ("-1.3\tdog", "-1.3\tcat", "'cat' comes twice"),
        ("-0.6\tcat", "x\tcat", "could not convert"),
        ("<s> the cat", "<s> cat cat", "begins with words that are no n-gram"),
        ("\\end\\", "", "ends early"),
    ],
)
def test_a_broken_file_is_refused_with_the_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "broken.arpa"
    path.write_text(SMALL.replace(old, new, 1))
    with pytest.raises(BrokenArpaError, match=message):
        read_arpa(path)


Grams = Mapping[tuple[str, ...], tuple[float, float]]


def by_definition(grams: Grams, history: tuple[str, ...], word: str) -> float:
    if (*history, word) in grams:
        return grams[*history, word][0]
    return grams.get(history, (0.0, 0.0))[1] + by_definition(grams, history[1:], word)


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_random_models_score_as_the_definition_says(
    tmp_path_factory: pytest.TempPathFactory, seed: int, n: int
) -> None:
    random = np.random.default_rng(seed)
    words = ["<unk>", "<s>", "</s>", "a", "b", "c"]
    grams: dict[tuple[str, ...], tuple[float, float]] = {}
    levels: list[list[tuple[str, ...]]] = []
    for length in range(1, n + 1):
        known = [
            gram
            for gram in product(words, repeat=length)
            if length == 1 or (gram[:-1] in grams and random.random() < 0.4)
        ]
        random.shuffle(known)
        levels.append([tuple(gram) for gram in known])
        grams.update({tuple(gram): (-float(random.random()) * 3, -float(random.random())) for gram in known})
    path = tmp_path_factory.mktemp("arpa") / "random.arpa"
    path.write_text(written(levels, grams))
    model = read_arpa(path)
    said = [str(word) for word in random.choice(["a", "b", "c", "zebra"], 8)]
    known_words = [word if word in words else "<unk>" for word in said]
    expected = []
    for place, word in enumerate([*known_words, "</s>"]):
        history = tuple(["<s>", *known_words][max(0, place + 2 - n) : place + 1]) if n > 1 else ()
        expected.append(by_definition(grams, history, word))
    assert sentence_log10(model, said) == pytest.approx(expected, abs=1e-4)


def written(levels: Sequence[Sequence[tuple[str, ...]]], grams: Grams) -> str:
    lines = ["\\data\\", *(f"ngram {length}={len(level)}" for length, level in enumerate(levels, 1)), ""]
    for length, level in enumerate(levels, 1):
        backoff = "\t{:.6f}" if length < len(levels) else ""
        lines += [f"\\{length}-grams:"]
        lines += [f"{grams[gram][0]:.6f}\t{' '.join(gram)}{backoff.format(grams[gram][1])}" for gram in level]
        lines += [""]
    return "\n".join([*lines, "\\end\\", ""])
