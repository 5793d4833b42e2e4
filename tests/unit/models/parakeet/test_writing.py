from dataclasses import replace

import pytest

from stenod_models.contract import Profile
from stenod_models.export.parakeet import with_writing

PROFILE = Profile("p", "parakeet", ("en",), 800, 1000, (500, 1000), 4)


@pytest.mark.parametrize(
    ("pieces", "marks", "capitals"),
    [
        (["▁the", "'", "s", "-", ""], False, False),
        (["▁the", "<0x41>", "<0x2E>"], False, False),
        (["▁the", "?"], True, False),
        (["▁The", "s"], False, True),
        (["▁Über", "."], True, True),
        (["的", "。"], True, True),
    ],
)
def test_a_profile_says_what_the_pieces_can_write(pieces: list[str], *, marks: bool, capitals: bool) -> None:
    for before in (PROFILE, replace(PROFILE, writes_marks=not marks, writes_capitals=not capitals)):
        after = with_writing(before, pieces)
        assert (after.writes_marks, after.writes_capitals) == (marks, capitals)
