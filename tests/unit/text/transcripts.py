"""Made-up transcripts: fixed ones, and hypothesis strategies for any."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import strategies as st

from stenod_server.domain import transcript
from stenod_server.domain.audio import to_samples
from stenod_server.domain.job import Job, JobConfig, JobState, Media
from stenod_server.domain.transcript import Entity, Segment, TranscriptInfo, Word, WordTag

INFO = TranscriptInfo(
    to_samples(12.5), "en", 0.98, "moonshine-tiny-en", warnings=(transcript.Warning("DAMAGED_MEDIA", "cut"),)
)
JOB = Job(
    job_id="job-1",
    tenant="default",
    config=JobConfig(),
    media=Media(key="media/1", size_bytes=1, sha256=""),
    state=JobState.SUCCEEDED,
    create_time=datetime(2026, 1, 1, tzinfo=UTC),
    update_time=datetime(2026, 1, 1, tzinfo=UTC),
    info=INFO,
)

# Everything but line breaks and surrogates: what a recogniser may write.
word_texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=45)
plain_words = st.from_regex(r"[a-zA-Z]{1,12}[.,?!]?", fullmatch=True)


def make_word(text: str, start_s: float, end_s: float, *, speaker: str = "", channel: str = "") -> Word:
    return Word(text, to_samples(start_s), to_samples(end_s), 0.9, speaker=speaker, channel=channel)


def make_segment(text: str, *, index: int = 0, start_s: float = 0.0, speaker: str = "", channel: str = "") -> Segment:
    """Words of 0.3 s with 0.1 s between them."""
    words = tuple(
        make_word(word, start_s + 0.4 * n, start_s + 0.4 * n + 0.3, speaker=speaker, channel=channel)
        for n, word in enumerate(text.split())
    )
    return Segment(index, words, language="en", speaker=speaker, channel=channel)


MONEY = replace(
    make_segment("Um it's $5."),
    words=(
        replace(make_word("Um", 0.0, 0.3), volume=41.25, tags=(WordTag.DISFLUENCY,)),
        replace(make_word("it's", 0.4, 0.7), volume=30.0),
        replace(make_word("$5.", 0.8, 1.5), volume=20.0),
    ),
    entities=(Entity("money", 2, 1, (make_word("five", 0.8, 1.0), make_word("dollars.", 1.0, 1.5))),),
)


@st.composite
def segments(draw: st.DrawFn, texts: st.SearchStrategy[str] = plain_words) -> list[Segment]:
    """Segments in order of start that may overlap, as those of several channels do."""
    made: list[Segment] = []
    start_ms = 0
    for index in range(draw(st.integers(0, 6))):
        start_ms += draw(st.integers(0, 9_000))
        at_ms = start_ms
        words = []
        for text in draw(st.lists(texts, min_size=1, max_size=30)):
            end_ms = at_ms + draw(st.integers(0, 1_500))
            words.append(make_word(text, at_ms / 1000, end_ms / 1000))
            at_ms = end_ms + draw(st.sampled_from([0, 20, 400, 3_000]))
        made.append(Segment(index, tuple(words), speaker=draw(st.sampled_from(["", "S1", "S2"]))))
    return made
