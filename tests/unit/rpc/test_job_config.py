import pytest

from stenod.v1 import job_pb2
from stenod_server.domain.job import LowConfidenceAction
from stenod_server.errors import InvalidField
from stenod_server.rpc.job_config import from_proto, to_proto

ALLOW = job_pb2.LOW_CONFIDENCE_ACTION_ALLOW
REJECT = job_pb2.LOW_CONFIDENCE_ACTION_REJECT
USE_DEFAULT = job_pb2.LOW_CONFIDENCE_ACTION_USE_DEFAULT_LANGUAGE


@pytest.mark.parametrize(
    ("number", "default", "action"),
    [
        (job_pb2.LOW_CONFIDENCE_ACTION_UNSPECIFIED, "", LowConfidenceAction.ALLOW),
        (ALLOW, "", LowConfidenceAction.ALLOW),
        (REJECT, "", LowConfidenceAction.REJECT),
        (USE_DEFAULT, "pt-BR", LowConfidenceAction.USE_DEFAULT_LANGUAGE),
    ],
)
def test_what_to_do_about_an_uncertain_language_is_read_and_told_again(
    number: job_pb2.LowConfidenceAction, default: str, action: LowConfidenceAction
) -> None:
    asked = job_pb2.JobConfig(language="auto", low_confidence_action=number, default_language=default)
    config = from_proto(asked)
    assert (config.low_confidence_action, config.default_language) == (action, default)
    assert from_proto(to_proto(config)) == config
    assert to_proto(config).low_confidence_action == (number or ALLOW)


@pytest.mark.parametrize(
    ("language", "number", "default", "refusal"),
    [
        ("de", REJECT, "", "config.low_confidence_action: goes with language auto alone, not with 'de'"),
        ("de", USE_DEFAULT, "en", "config.low_confidence_action: goes with language auto alone, not with 'de'"),
        ("", 9, "", "config.low_confidence_action: 9 is none that this server knows"),
        ("", USE_DEFAULT, "", "config.default_language: must be a BCP-47 code like 'en' or 'pt-BR', got ''"),
        (
            "auto",
            USE_DEFAULT,
            "auto",
            "config.default_language: must be a BCP-47 code like 'en' or 'pt-BR', got 'auto'",
        ),
        ("", USE_DEFAULT, "e n", "config.default_language: 'e n' is neither"),
        ("", ALLOW, "en", "config.default_language: goes with low_confidence_action use_default_language alone"),
        ("", REJECT, "en", "config.default_language: goes with low_confidence_action use_default_language alone"),
    ],
)
def test_what_does_not_fit_together_is_refused(language: str, number: int, default: str, refusal: str) -> None:
    asked = job_pb2.JobConfig(language=language, default_language=default)
    asked.low_confidence_action = number  # type: ignore[assignment]
    with pytest.raises(InvalidField) as refused:
        from_proto(asked)
    assert refused.value.message.startswith(refusal)
