"""`stenod transcribe --embedded`: the node, its models and its signals."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any, Final

import typer

from stenod_server import settings
from stenod_server.app.node import REAL, Parts
from stenod_server.cli.bulk.one_shot import OneShotOrder, transcribe_once
from stenod_server.cli.bulk.outcomes import TEMPORARY, USAGE
from stenod_server.cli.language_models import set_those_of
from stenod_server.cli.models import add_if_possible, add_missing
from stenod_server.cli.one_shot_options import OneShotOptions
from stenod_server.telemetry import logs
from stenod_server.text.render import TranscriptFormat

_CHECKPOINT_S: Final = 30.0
_GRACE_S: Final = 10.0


def run_embedded(
    sources: Sequence[str], form: TranscriptFormat, config: Mapping[str, Any], asked: OneShotOptions
) -> int:
    """The exit status."""
    try:
        order = make_order(sources, form, config, asked)
    except (ValueError, OSError) as error:
        typer.echo(f"stenod: {error}", err=True)
        return USAGE
    chosen = order.settings
    add_missing(chosen.models_path, ["silero-vad", *(() if chosen.triton_url else chosen.models)])
    if chosen.voices_model and not chosen.triton_url:
        add_if_possible(chosen.models_path, chosen.voices_model)
    set_those_of(chosen)
    logs.configure(chosen.log_level, chosen.log_format)
    return asyncio.run(until_told(order))


def make_order(
    sources: Sequence[str], form: TranscriptFormat, config: Mapping[str, Any], asked: OneShotOptions
) -> OneShotOrder:
    """Raises ValueError, OSError."""
    if asked.output is None:
        message = "--embedded needs --output: where the results go"
        raise ValueError(message)
    return OneShotOrder(
        sources=sources,
        output=asked.output,
        forms=(form,),
        config=config,
        settings=_settings(config, asked),
        state=asked.state,
        checkpoint_s=_CHECKPOINT_S if asked.checkpoint_s is None else asked.checkpoint_s,
        grace_s=_GRACE_S if asked.grace_s is None else asked.grace_s,
    )


async def until_told(order: OneShotOrder, parts: Parts = REAL) -> int:
    """Until all is done, or SIGTERM or SIGINT come; a second one ends it at once."""
    stopping = asyncio.Event()

    def stop() -> None:
        if stopping.is_set():
            os._exit(TEMPORARY)
        stopping.set()

    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop)
    return await transcribe_once(order, stopping, parts=parts)


def _settings(config: Mapping[str, Any], asked: OneShotOptions) -> settings.Settings:
    """From the environment and the file, as a server's; what is logged leaves room for what is said."""
    given: dict[str, Any] = {}
    if "STENOD_LOG_LEVEL" not in os.environ:
        given["log_level"] = "warning"
    if model := config.get("model"):
        given["model"] = (model,)
    if config.get("diarization") != "speaker" and "known_speakers" not in config:
        given["voices_model"] = ""
    return settings.load(asked.node_config, **given)
