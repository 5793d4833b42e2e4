"""What Parakeet says with phrases, by the rules in plain Python: one window, one frame, one token at a time."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from stenod_models.decoding.hotwords import PhraseTrie
from stenod_models.families.parakeet.architecture import Architecture

FloatArray = npt.NDArray[np.float32]


def amounts_of(trie: PhraseTrie, said: Sequence[int], vocabulary: int) -> list[float]:
    """What each token is worth behind others, from the start."""
    states = trie.start(1)
    for token in said:
        states = trie.advance(states, np.array([token]))
    return [float(amount) for amount in trie.amounts(states, np.arange(vocabulary)[None])[0]]


def transduced(
    logits_of: Callable[[list[int], int], Sequence[float]], length: int, architecture: Architecture, trie: PhraseTrie
) -> tuple[list[int], list[int], float]:
    """Tokens, their frames, and the smallest lead of a choice over the second best.

    `logits_of` gives the logits behind tokens at a frame. Whether anything is said is the model's choice; what, the
    phrases' too.
    """
    size, blank = architecture.vocabulary_size, architecture.blank
    tokens: list[int] = []
    starts: list[int] = []
    margins = [np.inf]
    frame = at_frame = 0
    while frame < length:
        logits = list(logits_of([blank, *tokens], frame))
        margins.append(_lead(logits[:size]))
        step = 0
        if architecture.durations:
            margins.append(_lead(logits[size:]))
            step = architecture.durations[logits[size:].index(max(logits[size:]))]
        if max(logits[:size]) == logits[blank]:
            frame, at_frame = frame + max(step, 1), 0
            continue
        worth = [score + amount for score, amount in zip(logits, amounts_of(trie, tokens, size), strict=False)]
        worth[blank] = -np.inf
        margins.append(_lead(worth))
        tokens.append(worth.index(max(worth)))
        starts.append(frame)
        at_frame += 1
        if step or at_frame == architecture.max_symbols:
            frame, at_frame = frame + max(step, 1), 0
    return tokens, starts, min(margins)


def ctc_frames(frames: FloatArray, trie: PhraseTrie, blank: int) -> list[int]:
    """Each frame's token: runs of one likeliest token are a label, chosen anew by the mean of their frames' scores."""
    best = [max(range(frames.shape[1]), key=row.__getitem__) for row in frames.tolist()]
    runs: list[list[int]] = []
    for place, token in enumerate(best):
        if place and token == best[place - 1]:
            runs[-1].append(place)
        else:
            runs.append([place])
    chosen: list[int] = []
    said: list[int] = []
    before = blank
    for run in runs:
        label = blank
        if best[run[0]] != blank:
            amounts = amounts_of(trie, said, frames.shape[1])
            worth = [
                -np.inf if token == blank else float(frames[run, token].mean()) + (token != before) * amounts[token]
                for token in range(frames.shape[1])
            ]
            label = worth.index(max(worth))
            said += [] if label == before else [label]
        before = label
        chosen += [label] * len(run)
    return chosen


def _lead(scores: Sequence[float]) -> float:
    first, second = sorted(scores, reverse=True)[:2]
    return first - second
