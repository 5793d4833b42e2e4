"""The prediction and the joint network in torch, asked by the host step by step: for phrases and beams.

Each step goes to the host and back, which label looping in torch_decoding.py does without. The encoder takes the most
of a batch's time all the same.
"""

from collections.abc import Mapping

import torch
from torch.nn import functional

from stenod_models.families.parakeet.architecture import Architecture
from stenod_models.families.parakeet.label_looping import FloatArray, Int64Array
from stenod_models.families.parakeet.torch_decoding import cell_of


class TorchScores:
    """A joint_scores.ScoringTransducer with `width` rows for each window."""

    def __init__(
        self, weights: Mapping[str, torch.Tensor], architecture: Architecture, encoded: torch.Tensor, *, width: int
    ) -> None:
        """`encoded` is (windows, frames, size)."""
        self._head = (weights["joint.head.weight"], weights["joint.head.bias"])
        self._embedding = weights["decoder.embedding.weight"]
        self._projector = (weights["decoder.decoder_projector.weight"], weights["decoder.decoder_projector.bias"])
        self._cells = [cell_of(weights, layer) for layer in range(architecture.predictor_layers)]
        self._encoded = encoded
        self._width = width
        rows, size = len(encoded) * width, architecture.predictor_size
        self._hidden = encoded.new_zeros(architecture.predictor_layers, rows, size)
        self._cell = torch.zeros_like(self._hidden)
        self._predicted = encoded.new_zeros(rows, size)

    def predict(self, rows: Int64Array, tokens: Int64Array) -> None:
        taken = self._placed(rows)
        value = self._embedding[self._placed(tokens)]
        for layer, (matrix, bias) in enumerate(self._cells):
            gates = functional.linear(torch.cat([value, self._hidden[layer, taken]], dim=1), matrix, bias)
            entry, forget, change, leave = gates.chunk(4, dim=1)
            cell = forget.sigmoid() * self._cell[layer, taken] + entry.sigmoid() * change.tanh()
            value = leave.sigmoid() * cell.tanh()
            self._cell[layer, taken] = cell
            self._hidden[layer, taken] = value
        self._predicted[taken] = functional.linear(value, *self._projector)

    def score(self, rows: Int64Array, frames: Int64Array) -> FloatArray:
        heard = self._encoded[self._placed(rows // self._width), self._placed(frames)]
        logits = functional.linear(functional.relu(heard + self._predicted[self._placed(rows)]), *self._head)
        scores: FloatArray = logits.float().cpu().numpy()
        return scores

    def reorder(self, parents: Int64Array) -> None:
        taken = self._placed(parents)
        self._hidden, self._cell = self._hidden[:, taken], self._cell[:, taken]
        self._predicted = self._predicted[taken]

    def _placed(self, numbers: Int64Array) -> torch.Tensor:
        return torch.from_numpy(numbers).to(self._encoded.device)
