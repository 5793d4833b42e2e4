"""A beam as wide as all there is finds what the sum over every way to say every text finds; one of 1 is greedy."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stenod_models.decoding.beam import Fusion
from stenod_models.families.parakeet.beam_ctc import aligned, decode_ctc_beam
from stenod_models.families.parakeet.beam_transducer import TransducerBeam, decode_transducer_beam
from stenod_models.families.parakeet.ctc import collapse
from stenod_models.families.parakeet.emissions import Emissions
from stenod_models.families.parakeet.fused_scores import FARTHEST
from stenod_models.families.parakeet.joint_scores import log_softmax
from stenod_models.families.parakeet.label_looping import Choices, Int64Array, decode_transducer
from stenod_models.language_model.fusion import LanguageModelFusion, LanguageModelUse, WordPieces
from stenod_models.language_model.ngrams import NgramModel, Order
from tests.support.slow_parakeet import amounts_of
from tests.unit.models.parakeet.scripted import (
    BLANK,
    LABELS,
    LIMITS,
    FloatArray,
    ScriptedScores,
    head_of,
    trie_of,
)

WIDE = 400  # as many hypotheses as there are in the tiny cases
BOOSTED = trie_of(((0, 2), 1.0), ((1,), 0.7))
Text = tuple[int, ...]


def beam(
    batch: Sequence[tuple[int, int]], width: int, *, has_durations: bool, fusions: Sequence[Fusion] = ()
) -> list[Emissions | None]:
    head = head_of(has_durations=has_durations)
    model = ScriptedScores([seed for seed, _length in batch], head, width)
    search = TransducerBeam(beam_size=width, head=head, limits=LIMITS, fusions=fusions)
    return decode_transducer_beam(model, [length for _seed, length in batch], search)


class Greedy(ScriptedScores):
    def join(self, rows: Int64Array, frames: Int64Array) -> Choices:
        return self.head.choices(self.score(rows, frames))


@settings(deadline=None, max_examples=25)
@given(
    batch=st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 25)), min_size=1, max_size=4),
    has_durations=st.booleans(),
)
def test_a_beam_of_one_is_greedy(batch: list[tuple[int, int]], has_durations: bool) -> None:  # noqa: FBT001
    greedy = Greedy([seed for seed, _length in batch], head_of(has_durations=has_durations))
    wanted = decode_transducer(greedy, [length for _seed, length in batch], LIMITS)
    found = beam(batch, 1, has_durations=has_durations)
    for one, other in zip(found, wanted, strict=True):
        assert one is not None
        assert other is not None
        assert (one.tokens, one.starts, one.ends) == (other.tokens, other.starts, other.ends)
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)


def worth_of(text: Text) -> float:
    """What the phrases give along a whole text."""
    given_for = sum(amounts_of(BOOSTED, text[:place], LABELS)[token] for place, token in enumerate(text))
    states = BOOSTED.start(1)
    for token in text:
        states = BOOSTED.advance(states, np.array([token]))
    return given_for + float(BOOSTED.final_amounts(states)[0])


def ways(model: ScriptedScores, length: int, text: Text, frame: int, at_frame: int) -> Iterator[tuple[Text, float]]:
    """Every way on, and its logarithm, straight from the definition."""
    if frame >= length:
        yield text, 0.0
        return
    logits = model.logits(0, frame, [BLANK, *text])[None]
    tokens = log_softmax(logits[:, : LABELS + 1])[0]
    durations = log_softmax(logits[:, LABELS + 1 :])[0] if model.head.durations else np.zeros(1)
    for token, lasting in product(range(LABELS + 1), range(len(durations))):
        score = float(tokens[token] + durations[lasting])
        if token == BLANK:
            following = ways(model, length, text, frame + max(lasting, 1), 0)
        elif lasting or at_frame + 1 == LIMITS.max_symbols:
            following = ways(model, length, (*text, token), frame + max(lasting, 1), 0)
        else:
            following = ways(model, length, (*text, token), frame, at_frame + 1)
        for whole, rest in following:
            yield whole, score + rest


@pytest.mark.parametrize("is_fused", [False, True])
@pytest.mark.parametrize(("has_durations", "length"), [(True, 2), (False, 2)])
def test_the_widest_beam_finds_the_likeliest_text_of_all(has_durations: bool, length: int, is_fused: bool) -> None:  # noqa: FBT001
    for seed in range(3):
        model = ScriptedScores([seed], head_of(has_durations=has_durations), sharpness=1.0)
        totals: dict[Text, float] = defaultdict(float)
        for text, logarithm in ways(model, length, (), 0, 0):
            totals[text] += np.exp(logarithm)
        worth = {text: np.log(total) + (worth_of(text) if is_fused else 0.0) for text, total in totals.items()}
        ranked = sorted(worth, key=lambda text: -worth[text])
        search = TransducerBeam(beam_size=WIDE, head=model.head, limits=LIMITS, fusions=[BOOSTED] if is_fused else [])
        wide = ScriptedScores([seed], model.head, WIDE, sharpness=1.0)
        (found,) = decode_transducer_beam(wide, [length], search)
        assert found is not None
        assert tuple(found.tokens) == ranked[0], seed


def test_a_window_gives_in_a_batch_what_it_gives_alone() -> None:
    batch = [(1, 12), (2, 0), (3, 30), (4, 7)]
    together = beam(batch, 3, has_durations=True, fusions=[BOOSTED])
    assert together == [beam([one], 3, has_durations=True, fusions=[BOOSTED])[0] for one in batch]


def test_a_cancelled_window_gives_none() -> None:
    head = head_of(has_durations=True)
    model = ScriptedScores([1, 2], head, 2)
    search = TransducerBeam(beam_size=2, head=head, limits=LIMITS)
    found = decode_transducer_beam(model, [20, 20], search, is_cancelled=lambda row: row == 0)
    assert found[0] is None
    assert found[1] == beam([(2, 20)], 2, has_durations=True)[0]


def test_what_is_fused_cannot_bring_a_token_past_a_blank_that_is_far_ahead() -> None:
    for gap, tokens in ((FARTHEST - 0.5, [1]), (FARTHEST + 0.5, [])):
        frames = np.full((1, LABELS + 1), -50.0, np.float32)
        frames[0, [1, BLANK]] = -gap, 0.0
        trie = trie_of(((1,), 20.0))
        found = decode_ctc_beam(log_softmax(frames), BLANK, beam_size=4, fusions=[trie])
        assert [token for token in found.tolist() if token != BLANK] == tokens


def frames_of(seed: int, length: int) -> FloatArray:
    random = np.random.default_rng(seed)
    return log_softmax(random.normal(0, 1.5, (length, LABELS + 1)).astype(np.float32))


@pytest.mark.parametrize("is_fused", [False, True])
def test_the_widest_ctc_beam_finds_the_likeliest_text_of_all(is_fused: bool) -> None:  # noqa: FBT001
    for seed in range(3):
        frames = frames_of(seed, 4)
        totals: dict[Text, float] = defaultdict(float)
        likeliest: dict[Text, tuple[float, tuple[int, ...]]] = {}
        for way in product(range(LABELS + 1), repeat=len(frames)):
            text = tuple(collapse(np.array(way), np.ones(len(way), np.float32), BLANK).tokens)
            logarithm = float(sum(frames[place, token] for place, token in enumerate(way)))
            totals[text] += np.exp(logarithm)
            likeliest[text] = max(likeliest.get(text, (-np.inf, ())), (logarithm, way))
        worth = {text: np.log(total) + (worth_of(text) if is_fused else 0.0) for text, total in totals.items()}
        best = max(worth, key=worth.__getitem__)
        found = decode_ctc_beam(frames, BLANK, beam_size=WIDE, fusions=[BOOSTED] if is_fused else [])
        assert tuple(found.tolist()) == likeliest[best][1]


def test_a_text_is_aligned_to_its_frames() -> None:
    frames = log_softmax(np.zeros((3, LABELS + 1), np.float32))
    assert aligned(frames, (), BLANK).tolist() == [BLANK] * 3
    assert aligned(frames, (1, 1), BLANK).tolist() == [1, BLANK, 1]
    assert sorted(set(aligned(frames, (1, 2), BLANK).tolist())) >= [1, 2]


def test_a_language_model_decides_between_words_that_sound_alike() -> None:
    """Words are single tokens: 0 is "a", 1 is "b"; the model has only "a b"."""
    frames = np.full((2, LABELS + 1), -9.0, np.float32)
    frames[0, [0, 1]] = -0.9, -0.5
    frames[1, [0, 1]] = -0.5, -0.7
    logs = log_softmax(frames)
    plain = decode_ctc_beam(logs, BLANK, beam_size=4)
    helped = decode_ctc_beam(logs, BLANK, beam_size=4, fusions=[language_model()])
    assert plain.tolist() == [1, 0]
    assert helped.tolist() == [0, 1]


def language_model() -> LanguageModelFusion:
    words = {"<unk>": 0, "a": 1, "b": 2}
    scores = np.array([-3.0, -0.5, -2.0], np.float32)
    nothing: npt.NDArray[np.float32] = np.zeros(3, np.float32)
    ab = Order(np.array([1 * 3 + 2]), np.array([-0.1], np.float32), np.zeros(1, np.float32))
    model = NgramModel(words, [Order(np.arange(3), scores, nothing), ab])
    opens = np.array([True, True, False, False, False])
    pieces = WordPieces(opens_word=opens, end_token=-1, spell=lambda tokens: "".join("abcd"[token] for token in tokens))
    return LanguageModelFusion(model, pieces, LanguageModelUse(weight=1.0, word_bonus=1.0))
