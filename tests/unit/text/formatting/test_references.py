from tests.support.formatted_references import made, references, reviewed
from tests.support.speech import needs_speech

pytestmark = needs_speech


def test_nothing_but_what_was_reviewed_is_written_anew_in_the_reference_texts() -> None:
    assert made(references()) == reviewed()


def test_what_whispers_normaliser_would_hide_is_a_change() -> None:
    assert made({"x": "In chapter one"}) == ["x\tchapter [one → 1]"]
