"""What a job asks of the recogniser: the API's words ↔ the domain's."""

from typing import Final

from stenod.v1 import job_pb2
from stenod_server.domain import job_rules
from stenod_server.domain.decoding import DEFAULT_BOOST, Decoding, Option, Task, VocabularyEntry
from stenod_server.errors import InvalidField
from stenod_server.scheduler.abilities import FIELDS

TASKS: Final = {
    job_pb2.TASK_UNSPECIFIED: Task.TRANSCRIBE,
    job_pb2.TASK_TRANSCRIBE: Task.TRANSCRIBE,
    job_pb2.TASK_TRANSLATE: Task.TRANSLATE,
}
NUMBERS: Final = {task: number for number, task in TASKS.items()}


def from_proto(message: job_pb2.JobConfig) -> Decoding:
    """Raises InvalidField, LimitExceeded."""
    if message.task not in TASKS:
        raise InvalidField(FIELDS[Option.TASK], f"{message.task} is none that this server knows")
    asked = message.decoding
    return Decoding(
        task=TASKS[message.task],
        vocabulary=job_rules.vocabulary(
            FIELDS[Option.VOCABULARY], [_entry(entry) for entry in message.additional_vocabulary]
        ),
        beam_size=job_rules.beam_size(FIELDS[Option.BEAM_SIZE], asked.beam_size if asked.HasField("beam_size") else 1),
        prompt=job_rules.prompt(FIELDS[Option.PROMPT], asked.prompt),
    )


def to_proto(decoding: Decoding, message: job_pb2.JobConfig) -> None:
    """Write it into `message`; what is as ever is left out."""
    message.task = NUMBERS[decoding.task]
    for entry in decoding.vocabulary:
        message.additional_vocabulary.add(content=entry.content, sounds_like=entry.sounds_like, boost=entry.boost)
    if decoding.beam_size > 1:
        message.decoding.beam_size = decoding.beam_size
    if decoding.prompt:
        message.decoding.prompt = decoding.prompt


def _entry(message: job_pb2.VocabularyEntry) -> VocabularyEntry:
    boost = message.boost if message.HasField("boost") else DEFAULT_BOOST
    return VocabularyEntry(message.content, tuple(message.sounds_like), boost)
