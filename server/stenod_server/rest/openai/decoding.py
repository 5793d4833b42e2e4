"""What a form asks of the recogniser. Clients send most of it as a matter of course, so all but the task are hints."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from stenod_server.domain import job_rules
from stenod_server.domain.decoding import Decoding, Hint, Option, Task, VocabularyEntry
from stenod_server.domain.transcript import Warning  # noqa: A004  the word the API uses
from stenod_server.rest.received import ReceivedForm
from stenod_server.rest.vocabulary import read_hints

_KEYWORDS: Final = "keywords"
_HOTWORDS: Final = "hotwords"
_PROMPT: Final = "prompt"
_BETWEEN_HOTWORDS: Final = re.compile(r"[,;\n]")


@dataclass(slots=True)
class _Heard:
    """What was found in a form so far."""

    hints: list[Hint] = field(default_factory=list)
    vocabulary: list[VocabularyEntry] = field(default_factory=list)
    warnings: list[Warning] = field(default_factory=list)

    def listen_for(self, name: str, phrases: Sequence[str]) -> None:
        kept, warnings = read_hints(name, phrases, room=job_rules.MAX_VOCABULARY - len(self.vocabulary))
        if kept:
            self.hints.append(Hint(Option.VOCABULARY, name))
        self.vocabulary += kept
        self.warnings += warnings


def read_decoding(form: ReceivedForm, task: Task) -> tuple[Decoding, Sequence[Warning]]:
    """Refuses nothing but a field that is given twice: InvalidField."""
    heard = _Heard()
    heard.listen_for(_KEYWORDS, form.all(_KEYWORDS, f"{_KEYWORDS}[]"))
    heard.listen_for(_HOTWORDS, _BETWEEN_HOTWORDS.split(form.one(_HOTWORDS) or ""))
    # As at the original, of a prompt that is too long the end counts.
    prompt = job_rules.prompt(_PROMPT, (form.one(_PROMPT) or "")[-job_rules.MAX_PROMPT_CHARACTERS :])
    if prompt:
        heard.hints.append(Hint(Option.PROMPT, _PROMPT))
    decoding = Decoding(
        task=task,
        vocabulary=tuple(heard.vocabulary),
        prompt=prompt,
        hints=tuple(heard.hints),
    )
    return decoding, heard.warnings
