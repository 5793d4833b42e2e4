import pytest

from stenod_models.contract import Profile, RecognitionOptions

PROFILE = Profile("m", "moonshine", ("en",), 10, 20, (5, 20), 8, instances=3)


def test_options_survive_json() -> None:
    options = RecognitionOptions("translate", 3, ("one", "two"), "hello")
    assert RecognitionOptions.from_json(options.to_json()) == options
    assert RecognitionOptions.from_json("") == RecognitionOptions()


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        '{"unknown": 1}',
        '{"task": "sing"}',
        '{"beam_size": 0}',
        '{"beam_size": "many"}',
        '{"beam_size": true}',
        '{"hotwords": "abc"}',
        '{"hotwords": [1]}',
        '{"prompt": 5}',
    ],
)
def test_bad_options_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  JSON's own error is one
        RecognitionOptions.from_json(text)


def test_profile_survives_json_and_counts_engines() -> None:
    assert Profile.from_json(PROFILE.to_json()) == PROFILE
    assert PROFILE.default_engines == 8 * 3 * 2
