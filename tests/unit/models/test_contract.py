import json

import pytest

from stenod_models.contract import MAX_HOTWORDS, Hotword, Profile, RecognitionOptions

PROFILE = Profile("m", "moonshine", ("en",), 10, 20, (5, 20), 8, instances=3)


def test_options_survive_json() -> None:
    hotwords = (Hotword("one"), Hotword("gnocchi", 3.5, ("nyohki", "nokey")))
    options = RecognitionOptions("translate", 3, hotwords, "hello")
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
        '{"hotwords": {"text": "x"}}',
        '{"hotwords": [{}]}',
        '{"hotwords": [{"text": 1}]}',
        '{"hotwords": [{"text": "x", "sounds_like": "y"}]}',
        '{"hotwords": [{"text": "x", "sounds_like": [1]}]}',
        '{"hotwords": [{"text": "x", "sounds_like": 1}]}',
        '{"hotwords": [{"text": "x", "boost": 0}]}',
        '{"hotwords": [{"text": "x", "boost": 21}]}',
        '{"hotwords": [{"text": "x", "boost": NaN}]}',
        '{"hotwords": [{"text": "x", "boost": true}]}',
        '{"hotwords": [{"text": "x", "unknown": 1}]}',
        '{"prompt": 5}',
        '{"mark_bias": "much"}',
        '{"mark_bias": true}',
        '{"mark_bias": NaN}',
        '{"mark_bias": -21}',
    ],
)
def test_bad_options_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  JSON's own error is one
        RecognitionOptions.from_json(text)


def test_a_bias_is_said_only_where_there_is_one() -> None:
    assert "mark_bias" not in RecognitionOptions().to_json()
    assert RecognitionOptions.from_json(RecognitionOptions(mark_bias=-2.5).to_json()).mark_bias == -2.5


def test_a_hotword_may_be_a_plain_string() -> None:
    assert RecognitionOptions.from_json('{"hotwords": ["one"]}').hotwords == (Hotword("one"),)


def test_too_many_hotwords_are_refused_with_the_limit() -> None:
    with pytest.raises(ValueError, match=f"at most {MAX_HOTWORDS}"):
        RecognitionOptions.from_json(RecognitionOptions(hotwords=(Hotword("x"),) * (MAX_HOTWORDS + 1)).to_json())


def test_profile_survives_json_and_counts_engines() -> None:
    assert Profile.from_json(PROFILE.to_json()) == PROFILE
    assert PROFILE.default_engines == 8 * 3 * 2


def test_a_profile_of_before_options_were_published_promises_none() -> None:
    old = json.loads(PROFILE.to_json())
    for name in (
        "max_beam_size",
        "takes_hotwords",
        "takes_prompt",
        "takes_mark_bias",
        "writes_marks",
        "writes_capitals",
    ):
        del old[name]
    profile = Profile.from_json(json.dumps(old))
    assert (profile.max_beam_size, profile.takes_hotwords, profile.takes_prompt) == (1, False, False)
    assert not profile.takes_mark_bias
    assert profile.writes_marks
    assert profile.writes_capitals
