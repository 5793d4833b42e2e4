"""How emissions are searched for: greedily, with phrases, or with a beam."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from stenod_models.decoding.beam import Fusion
from stenod_models.decoding.hotwords import PhraseTrie
from stenod_models.decoding.marks import MarkBias
from stenod_models.families.parakeet.architecture import Architecture
from stenod_models.families.parakeet.beam_ctc import decode_ctc_beam
from stenod_models.families.parakeet.beam_transducer import TransducerBeam, decode_transducer_beam
from stenod_models.families.parakeet.ctc import collapse
from stenod_models.families.parakeet.emissions import Emissions
from stenod_models.families.parakeet.favour import FavouringTransducer, favoured_frames
from stenod_models.families.parakeet.joint_scores import Head, ScoringTransducer, log_softmax, probabilities_of
from stenod_models.families.parakeet.label_looping import FloatArray, Limits, decode_transducer
from stenod_models.families.parakeet.marked_scores import MarkedTransducer, marked_frames


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """`beam_size` 1 is greedy; a language model counts in a beam alone. With `marks` there is a trie, or a beam."""

    beam_size: int = 1
    trie: PhraseTrie | None = None
    language_model: Fusion | None = None
    marks: MarkBias | None = None

    @property
    def needs_scores(self) -> bool:
        """Whether the likeliest choices are not enough."""
        return self.beam_size > 1 or self.trie is not None

    @property
    def fusions(self) -> tuple[Fusion, ...]:
        return tuple(fusion for fusion in (self.trie, self.language_model) if fusion is not None)


GREEDY: Final = Search()


def search_transducer(
    transducer: ScoringTransducer,
    lengths: Sequence[int],
    architecture: Architecture,
    search: Search,
    is_cancelled: Callable[[int], bool],
) -> list[Emissions | None]:
    """For a search that needs scores; `transducer` has `search.beam_size` rows for each window."""
    head, limits = Head.of(architecture), Limits(architecture.blank, architecture.max_symbols)
    if search.marks is not None:
        rows = search.beam_size * len(lengths)
        transducer = MarkedTransducer(transducer, search.marks, rows=rows, blank=architecture.blank)
    if search.trie is not None and search.beam_size == 1:
        favouring = FavouringTransducer(transducer, head, search.trie, rows=len(lengths))
        return decode_transducer(favouring, lengths, limits, is_cancelled=is_cancelled)
    beam = TransducerBeam(beam_size=search.beam_size, head=head, limits=limits, fusions=search.fusions)
    return decode_transducer_beam(transducer, lengths, beam, is_cancelled=is_cancelled)


def search_ctc(scores: FloatArray, blank: int, search: Search) -> Emissions:
    """Of one window of a CTC model: `scores` are logits or log-probabilities, (frames, vocabulary)."""
    if not len(scores):
        return Emissions()
    marked = scores if search.marks is None else marked_frames(scores, search.marks, blank)
    tokens = marked.argmax(axis=1)
    if search.beam_size > 1:
        logs = log_softmax(marked)
        tokens = decode_ctc_beam(logs, blank, beam_size=search.beam_size, fusions=search.fusions)
    elif search.trie is not None:
        tokens = favoured_frames(tokens, marked, search.trie, blank)
    return collapse(tokens, probabilities_of(scores, tokens), blank)
