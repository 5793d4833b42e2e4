"""The environment of the containers that are replaced: a test for each row of docs/dialects/containers.md."""

from pathlib import Path
from typing import Any

import pytest

from stenod_server.settings import Settings, load
from stenod_server.settings.containers import _TABLE
from stenod_server.settings.language_models import LanguageModel
from tests.support.speech import PROJECT_ROOT


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*_TABLE, "STENOD_RUN_MODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variable", "value", "setting", "expected"),
    [
        ("MAX_TRANSCRIPTS_PARALLEL", "14", "parallel", 14),
        ("REJECT_OVER_PARALLEL", "False", "assemblyai_admission", "queue"),
        ("REJECT_OVER_PARALLEL", "True", "assemblyai_admission", "reject"),
        ("ENABLE_AUTO_PUNCTUATION", "False", "assemblyai_punctuation", False),
        ("ENABLE_AUTO_PUNCTUATION", "true", "assemblyai_punctuation", True),
        ("CUSTOM_LANG_MODEL_PATH", "/lm/law.arpa", "language_models", {"*": LanguageModel(path=Path("/lm/law.arpa"))}),
        ("SM_BATCH_WORKER_LISTEN_PORT", "19000", "http_listen", "127.0.0.1:19000"),
        ("SM_SPEAKER_ID_SECRETS_DIR", "/secrets", "speaker_secrets_dir", Path("/secrets")),
        ("SM_INFERENCE_ENDPOINT", "triton.local:8001", "triton_url", ("triton.local:8001",)),
        ("SM_INFERENCE_ENDPOINT", "http://triton.local:8001/", "triton_url", ("triton.local:8001",)),
    ],
)
def test_a_variable_is_a_setting(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, setting: str, expected: Any
) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(load(), setting) == expected


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("DECODER_BEAM_SIZE", "5000", "BEAM_SIZE_CLAMPED"),
    ],
)
def test_what_cannot_be_done_is_said_at_start_and_with_each_job(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(variable, value)
    found = load().containers
    assert [warning.reason for warning in found.job_warnings] == [reason]
    assert f"{variable}={value}" in found.warnings[variable]


@pytest.mark.parametrize(("variable", "value"), [("SM_BATCH_WORKER_MAX_JOB_HISTORY", "100")])
def test_what_has_no_effect_is_said_at_start(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    found = load().containers
    assert variable in found.warnings[variable]
    assert found.job_warnings == ()


def test_a_licence_token_is_not_asked_for_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LICENSE_TOKEN", "eyJsecret")
    found = load().containers
    assert list(found.meanings) == ["LICENSE_TOKEN"]
    assert "eyJsecret" not in repr(found)


@pytest.mark.parametrize(("asked", "got"), [("5000", 16), ("8", 8), ("1", 2)])
def test_a_beam_listens_to_the_language_model(monkeypatch: pytest.MonkeyPatch, asked: str, got: int) -> None:
    monkeypatch.setenv("CUSTOM_LANG_MODEL_PATH", "/lm/law.arpa")
    monkeypatch.setenv("DECODER_BEAM_SIZE", asked)
    settings = load(model="first,second")
    assert settings.language_models_by_name == {"first": LanguageModel(path=Path("/lm/law.arpa"), beam_size=got)}
    warned = [warning.reason for warning in settings.containers.job_warnings]
    assert warned == ([] if asked == str(got) else ["BEAM_SIZE_CLAMPED"])


def test_a_beam_of_one_is_what_the_recogniser_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECODER_BEAM_SIZE", "1")
    assert load().containers.job_warnings == ()


def test_unset_or_empty_variables_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    untouched = load().model_dump()
    for name in _TABLE:
        monkeypatch.setenv(name, "")
    assert load().model_dump() == untouched
    assert load().containers.meanings == {}


@pytest.mark.parametrize("better", ["command line", "environment", "file"])
def test_every_other_source_is_stronger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, better: str) -> None:
    monkeypatch.setenv("MAX_TRANSCRIPTS_PARALLEL", "14")
    file = tmp_path / "stenod.toml"
    file.write_text("parallel = 3\n" if better == "file" else "")
    if better == "environment":
        monkeypatch.setenv("STENOD_PARALLEL", "3")
    assert load(file, **({"parallel": 3} if better == "command line" else {})).parallel == 3


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MAX_TRANSCRIPTS_PARALLEL", "many"),
        ("MAX_TRANSCRIPTS_PARALLEL", "0"),
        ("REJECT_OVER_PARALLEL", "maybe"),
        ("ENABLE_AUTO_PUNCTUATION", "2"),
        ("DECODER_BEAM_SIZE", "wide"),
        ("SM_BATCH_WORKER_LISTEN_PORT", "70000"),
        ("SM_BATCH_WORKER_MAX_JOB_HISTORY", "-1"),
        ("SM_INFERENCE_ENDPOINT", "triton"),
        ("SM_INFERENCE_ENDPOINT", "https://triton:8001"),
    ],
)
def test_a_malformed_value_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=f"{variable}='{value}' in the environment: must be"):
        load()


def test_in_run_mode_http_it_is_the_worker_whom_everybody_may_call_on_its_one_port() -> None:
    worker, plain = load(run_mode="http"), load()
    assert (worker.http_listen, worker.listen, worker.is_exposed) == ("0.0.0.0:18000", "127.0.0.1:50051", True)
    assert (plain.http_listen, plain.is_exposed) == ("127.0.0.1:18000", False)


def test_run_mode_may_come_from_the_environment_and_takes_the_workers_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STENOD_RUN_MODE", "http")
    monkeypatch.setenv("SM_BATCH_WORKER_LISTEN_PORT", "19000")
    assert load().http_listen == "0.0.0.0:19000"
    assert load(http_listen="127.0.0.1:7").http_listen == "127.0.0.1:7"


def test_there_is_one_run_mode() -> None:
    with pytest.raises(ValueError, match="run_mode"):
        load(run_mode="rt")


@pytest.mark.parametrize("other", ["listen", "assemblyai_listen"])
def test_run_mode_http_opens_no_other_listener_by_itself(other: str) -> None:
    inside: dict[str, Any] = {other: "127.0.0.1:9999"}
    outside: dict[str, Any] = {other: "0.0.0.0:9999"}
    assert load(run_mode="http", **inside).is_exposed
    with pytest.raises(ValueError, match=rf"{other} = '0\.0\.0\.0:9999' is reachable from outside"):
        load(run_mode="http", **outside)
    assert load(run_mode="http", allow_unauthenticated=True, **outside).is_exposed


def test_callers_are_asked_in_run_mode_http_where_there_is_something_to_know_them_by(tmp_path: Path) -> None:
    assert load(run_mode="http", access_file=tmp_path / "access.toml").authenticates


def test_the_document_has_a_row_for_each_variable() -> None:
    text = (PROJECT_ROOT / "docs" / "dialects" / "containers.md").read_text()
    assert [name for name in _TABLE if f"| `{name}` |" not in text] == []
    assert Settings.model_fields.keys() >= {"run_mode", "all_formats", "assemblyai_punctuation"}
