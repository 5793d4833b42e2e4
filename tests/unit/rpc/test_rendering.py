"""Subtitle options."""

import pytest
from google.protobuf.duration_pb2 import Duration

from stenod.v1.job_pb2 import JobConfig, RenderingConfig
from stenod.v1.transcript_pb2 import SubtitleOptions
from stenod_server.domain.rendering import SubtitleShape
from stenod_server.errors import InvalidField
from stenod_server.rpc import job_config
from stenod_server.rpc.rendering import subtitle_options, subtitle_shape

SHAPE = SubtitleShape(20, 1, 12.5, 250, speaker_names=False)


def test_a_shape_goes_out_and_comes_back() -> None:
    assert subtitle_shape(subtitle_options(SHAPE), SubtitleShape()) == SHAPE


def test_what_is_left_out_is_as_the_job_has_it() -> None:
    assert subtitle_shape(SubtitleOptions(), SHAPE) == SHAPE
    asked = SubtitleOptions(max_lines=3, speaker_names=True, min_gap=Duration(nanos=100_000_000))
    assert subtitle_shape(asked, SHAPE) == SubtitleShape(20, 3, 12.5, 100, speaker_names=True)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (SubtitleOptions(max_line_length=5), "max_line_length"),
        (SubtitleOptions(max_lines=11), "max_lines"),
        (SubtitleOptions(max_characters_per_second=4), "max_characters_per_second"),
        (SubtitleOptions(min_gap=Duration(seconds=2)), "min_gap"),
    ],
)
def test_what_is_out_of_range_is_refused_by_its_path(options: SubtitleOptions, field: str) -> None:
    with pytest.raises(InvalidField, match=rf"^subtitles\.{field}: must be "):
        subtitle_shape(options, SubtitleShape())
    config = JobConfig(language="en", rendering=RenderingConfig(subtitles=options))
    with pytest.raises(InvalidField, match=rf"^config\.rendering\.subtitles\.{field}: must be "):
        job_config.from_proto(config)


def test_a_job_keeps_its_shape() -> None:
    asked = JobConfig(language="en", rendering=RenderingConfig(subtitles=subtitle_options(SHAPE)))
    config = job_config.from_proto(asked)
    assert config.subtitles == SHAPE
    assert job_config.to_proto(config).rendering == asked.rendering
