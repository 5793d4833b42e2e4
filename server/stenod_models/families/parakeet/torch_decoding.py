"""Label looping in torch without a word to the host while it runs.

The algorithm is label_looping.py's (arXiv 2406.06220), with every row always in the batch and masks in place of lists.
A turn looks at a few frames for each row's next label, then lets the prediction network take it in; a row that has
found none by then goes on looking in the next turn. On a GPU a number of turns is captured as one CUDA graph, and only
between its replays does the host ask whether any row is left.
"""

from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch.nn import functional

from stenod_models.families.parakeet.architecture import Architecture
from stenod_models.families.parakeet.emissions import Emissions

_LOOKS: Final = 2  # frames looked at in a turn: with TDT's skips about as many as lie between two labels
_TURNS: Final = 16  # of one replay: a host round trip each would cost more than the turns that are too many


class GreedyLoop:
    """Decodes up to `rows` windows of up to `frames` encoded frames at a time. Its memory never grows."""

    def __init__(
        self, weights: Mapping[str, torch.Tensor], architecture: Architecture, *, rows: int, frames: int
    ) -> None:
        self._arch = architecture
        self._head = (weights["joint.head.weight"], weights["joint.head.bias"])
        self._embedding = weights["decoder.embedding.weight"]
        self._projector = (weights["decoder.decoder_projector.weight"], weights["decoder.decoder_projector.bias"])
        self._cells = [cell_of(weights, layer) for layer in range(architecture.predictor_layers)]
        device, dtype = self._embedding.device, self._embedding.dtype
        size, layers = architecture.predictor_size, architecture.predictor_layers
        self._capacity = frames * architecture.max_symbols
        self._rows = torch.arange(rows, device=device)
        self._durations = torch.tensor(architecture.durations or (0,), device=device)
        self._encoded = torch.zeros(rows, frames, size, device=device, dtype=dtype)
        self._hidden = torch.zeros(layers, rows, size, device=device, dtype=dtype)
        self._cell = torch.zeros(layers, rows, size, device=device, dtype=dtype)
        self._predicted = torch.zeros(rows, size, device=device, dtype=dtype)
        counters = [torch.zeros(rows, device=device, dtype=torch.int64) for _ in range(4)]
        self._lengths, self._times, self._at_frame, self._counts = counters
        # Token, start and end of each label, and one column where rows without a label write.
        self._labels = torch.zeros(3, rows, self._capacity + 1, device=device, dtype=torch.int64)
        self._probabilities = torch.zeros(rows, self._capacity + 1, device=device)
        self._captured: torch.cuda.CUDAGraph | None = None
        if device.type == "cuda":
            self._capture()

    def decode(
        self, encoded: torch.Tensor, lengths: torch.Tensor, is_cancelled: Callable[[int], bool]
    ) -> list[Emissions | None]:
        """`encoded` is (windows, frames, size); a cancelled row gives None."""
        windows = len(encoded)
        self._start(encoded, lengths)
        cancelled: set[int] = set()
        while bool((self._times < self._lengths).any()):
            stopped = [row for row in range(windows) if row not in cancelled and is_cancelled(row)]
            cancelled.update(stopped)
            self._lengths[stopped] = 0
            self._run_turns()
        counts = self._counts[:windows].tolist()
        most = max(counts)
        labels = self._labels[:, :windows, :most].cpu().tolist()
        probabilities = self._probabilities[:windows, :most].cpu().tolist()
        return [
            None if row in cancelled else _emissions([column[row] for column in labels], probabilities[row], count)
            for row, count in enumerate(counts)
        ]

    def _start(self, encoded: torch.Tensor, lengths: torch.Tensor) -> None:
        windows, frames, _size = encoded.shape
        self._encoded[:windows, :frames] = encoded
        for state in (self._hidden, self._cell, self._times, self._at_frame, self._counts, self._lengths):
            state.zero_()
        self._lengths[:windows] = lengths
        blanks = torch.full_like(self._times, self._arch.blank)
        self._predict(blanks, torch.ones_like(blanks, dtype=torch.bool))

    def _run_turns(self) -> None:
        if self._captured is not None:
            self._captured.replay()
            return
        for _ in range(_TURNS):
            self._turn()

    def _capture(self) -> None:
        """After one run, to have libraries loaded and memory taken."""
        self._turn()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(_TURNS):
                self._turn()
        self._captured = graph

    def _turn(self) -> None:
        """Find each row's next label within a few frames, write it down, take it in."""
        is_found = torch.zeros_like(self._times, dtype=torch.bool)
        token, duration = torch.full_like(self._times, self._arch.blank), torch.zeros_like(self._times)
        probability = torch.zeros_like(self._times, dtype=torch.float32)
        for _ in range(_LOOKS):
            is_looking = ~is_found & (self._times < self._lengths)
            seen, lasting, likely = self._join()
            is_blank = seen == self._arch.blank
            is_new = is_looking & ~is_blank
            token = torch.where(is_new, seen, token)
            duration = torch.where(is_new, lasting, duration)
            probability = torch.where(is_new, likely, probability)
            is_skipped = is_looking & is_blank
            self._times += torch.where(is_skipped, lasting.clamp(min=1), 0)
            self._at_frame.masked_fill_(is_skipped, 0)
            is_found = is_found | is_new
        self._write(is_found, token, duration, probability)
        self._advance(is_found, duration)
        self._predict(token, is_found)

    def _join(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        frame = self._encoded[self._rows, self._times.clamp(max=self._encoded.shape[1] - 1)]
        logits = functional.linear(functional.relu(frame + self._predicted), *self._head).float()
        scores = logits[:, : self._arch.vocabulary_size]
        best, token = scores.max(dim=1)
        if self._arch.kind == "tdt":
            duration = self._durations[logits[:, self._arch.vocabulary_size :].argmax(dim=1)]
        else:
            duration = torch.zeros_like(token)
        return token, duration, (best - scores.logsumexp(dim=1)).exp()

    def _write(
        self, is_found: torch.Tensor, token: torch.Tensor, duration: torch.Tensor, probability: torch.Tensor
    ) -> None:
        place = torch.where(is_found, self._counts, self._capacity)
        end = torch.minimum(self._times + duration, self._lengths)
        self._labels[:, self._rows, place] = torch.stack([token, self._times, end])
        self._probabilities[self._rows, place] = probability
        self._counts += is_found

    def _advance(self, is_found: torch.Tensor, duration: torch.Tensor) -> None:
        said = self._at_frame + 1
        is_stuck = (duration == 0) & (said >= self._arch.max_symbols)
        self._times += torch.where(is_found, torch.where(is_stuck, 1, duration), 0)
        following = torch.where((duration > 0) | is_stuck, 0, said)
        self._at_frame.copy_(torch.where(is_found, following, self._at_frame))

    def _predict(self, token: torch.Tensor, is_taken: torch.Tensor) -> None:
        """Have the rows of `is_taken` take in their label; the others keep their state."""
        column = is_taken[:, None]
        value = self._embedding[token]
        for layer, (matrix, bias) in enumerate(self._cells):
            gates = functional.linear(torch.cat([value, self._hidden[layer]], dim=1), matrix, bias)
            entry, forget, change, leave = gates.chunk(4, dim=1)
            cell = forget.sigmoid() * self._cell[layer] + entry.sigmoid() * change.tanh()
            value = leave.sigmoid() * cell.tanh()
            self._cell[layer].copy_(torch.where(column, cell, self._cell[layer]))
            self._hidden[layer].copy_(torch.where(column, value, self._hidden[layer]))
        predicted = functional.linear(value, *self._projector)
        self._predicted.copy_(torch.where(column, predicted, self._predicted))


def cell_of(weights: Mapping[str, torch.Tensor], layer: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Matrix and bias of one layer of the prediction network, over its input beside its hidden state."""
    names = [f"decoder.lstm.{{}}_{part}_l{layer}" for part in ("ih", "hh")]
    matrix = torch.cat([weights[name.format("weight")] for name in names], dim=1)
    return matrix, weights[names[0].format("bias")] + weights[names[1].format("bias")]


def _emissions(columns: list[list[int]], probabilities: list[float], count: int) -> Emissions:
    tokens, starts, ends = (column[:count] for column in columns)
    return Emissions(tokens, starts, ends, probabilities[:count])
