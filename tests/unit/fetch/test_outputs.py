"""Below which prefixes results may be put."""

import pytest

from stenod_server.errors import FetchRefused, InvalidField
from stenod_server.fetch.outputs import OutputBuckets

OPEN = OutputBuckets(["s3://out/results/", "gs://other", "s3://shared/{tenant}"])


@pytest.mark.parametrize(
    "url", ["s3://out/results/a", "s3://out/results/b/a.wav", "S3://out/results/a", "gs://other/a"]
)
def test_below_a_prefix_of_the_setting_results_may_be_put(url: str) -> None:
    OPEN.check("output", url, "a")


@pytest.mark.parametrize(
    "url", ["s3://out/results", "s3://out/results-2/a", "s3://out/a", "s3://elsewhere/results/a", "az://other/a"]
)
def test_beside_every_prefix_they_may_not_and_the_error_names_the_setting(url: str) -> None:
    with pytest.raises(FetchRefused, match="output_buckets") as refused:
        OPEN.check("output", url, "a")
    assert refused.value.field == "output"


@pytest.mark.parametrize("url", ["s3://out/results/../a", "s3://out/results//a", "s3://out/results/a?b", "s3://", "x"])
def test_what_may_mean_another_place_is_no_address(url: str) -> None:
    with pytest.raises(InvalidField):
        OPEN.check("output", url, "a")


def test_each_tenant_has_a_prefix_of_its_own() -> None:
    OPEN.check("output", "s3://shared/mine/a", "mine")
    OPEN.check("output", "s3://shared/a%2Fb/x", "a/b")
    for url, tenant in (("s3://shared/yours/a", "mine"), ("s3://shared/a/b/x", "a/b"), ("s3://shared/x/y", "")):
        with pytest.raises(FetchRefused):
            OPEN.check("output", url, tenant)


def test_without_the_setting_nothing_may_be_put_anywhere() -> None:
    with pytest.raises(FetchRefused):
        OutputBuckets([]).check("output", "s3://out/a", "a")


@pytest.mark.parametrize("prefix", ["https://a.example/x", "s3://", "s3://a/../b", "out"])
def test_a_setting_that_is_no_prefix_is_refused_at_start(prefix: str) -> None:
    with pytest.raises(ValueError, match="output_buckets"):
        OutputBuckets([prefix])
