from collections.abc import Sequence
from math import log
from pathlib import Path

import numpy as np
import pytest

from stenod_models.decoding.beam import BeamSearch, Candidates, decode_beam
from stenod_models.language_model.arpa import read_arpa
from stenod_models.language_model.fusion import LanguageModelFusion, LanguageModelUse, WordPieces, opens_word_of
from stenod_models.language_model.ngrams import NgramModel
from tests.support.candidates import candidates_of

ARPA = """\\data\\
ngram 1=6
ngram 2=3

\\1-grams:
-3.0 <unk>
-99 <s> -0.5
-1.0 </s>
-1.0 recognise -0.3
-1.5 speech
-0.8 beach

\\2-grams:
-0.4 <s> recognise
-0.1 recognise speech
-0.2 speech </s>

\\end\\
"""
TEXTS = ["", "", "", " rec", "ognise", " speech", " beach", ",", " ,"]
START, END = 1, 2


@pytest.fixture
def model(tmp_path: Path) -> NgramModel:
    path = tmp_path / "words.arpa"
    path.write_text(ARPA)
    return read_arpa(path)


def spell(tokens: Sequence[int]) -> str:
    return "".join(TEXTS[token] for token in tokens).strip()


def fusion_of(model: NgramModel, weight: float = 1.0, word_bonus: float = 0.0) -> LanguageModelFusion:
    pieces = WordPieces(opens_word=opens_word_of(TEXTS), end_token=END, spell=spell)
    return LanguageModelFusion(model, pieces, LanguageModelUse(weight=weight, word_bonus=word_bonus))


def given_along(fusion: LanguageModelFusion, tokens: Sequence[int]) -> list[float]:
    states, amounts = fusion.start(1), []
    for token in tokens:
        amounts.append(float(fusion.amounts(states, np.array([[token]]))[0, 0]))
        states = fusion.advance(states, np.array([token]))
    return amounts


def test_a_word_is_scored_by_the_token_that_ends_it(model: NgramModel) -> None:
    amounts = given_along(fusion_of(model), [3, 4, 5, END])
    assert amounts == pytest.approx([0, 0, -0.4 * log(10), (-0.1 - 0.2) * log(10)])


def test_weight_and_word_bonus_are_of_each_word(model: NgramModel) -> None:
    amounts = given_along(fusion_of(model, weight=0.5, word_bonus=2.0), [3, 4, 5, END])
    assert amounts == pytest.approx([0, 0, -0.2 * log(10) + 2, -0.15 * log(10) + 2], abs=1e-5)


def test_marks_are_no_words(model: NgramModel) -> None:
    plain = given_along(fusion_of(model), [3, 4, 5, END])
    assert given_along(fusion_of(model), [3, 4, 7, 5, 7, END]) == pytest.approx([0, 0, 0, plain[2], 0, plain[3]])
    assert sum(given_along(fusion_of(model), [3, 4, 8, 5, END])) == pytest.approx(sum(plain))


def test_a_text_that_is_cut_off_does_not_end_a_sentence(model: NgramModel) -> None:
    fusion = fusion_of(model)
    states = fusion.start(1)
    for token in (3, 4):
        states = fusion.advance(states, np.array([token]))
    assert fusion.final_amounts(states) == pytest.approx([-0.4 * log(10)])


def test_a_language_model_turns_the_choice_between_words_that_sound_alike(model: NgramModel) -> None:
    def step(tokens: np.ndarray, _parents: np.ndarray, wanted: np.ndarray) -> Candidates:  # type: ignore[type-arg]
        scores = np.full((len(tokens), len(TEXTS)), -20.0, np.float32)
        for slot, token in enumerate(tokens):
            following = {
                START: [(3, -0.1)],
                3: [(4, -0.1)],
                4: [(6, -0.6), (5, -0.8)],
                5: [(END, -0.1)],
                6: [(END, -0.1)],
            }
            for word, score in following.get(int(token), [(END, -0.1)]):
                scores[slot, word] = score
        return candidates_of(scores, wanted, 6)

    def said(weight: float) -> str:
        fusions = [fusion_of(model, weight)] if weight else []
        search = BeamSearch(beam_size=3, start_token=START, end_token=END, fusions=fusions)
        (found,) = decode_beam(step, [9], search, is_cancelled=lambda _row: False)
        return spell(found.tokens) if found else ""

    assert said(0.0) == "recognise beach"
    assert said(0.5) == "recognise speech"
