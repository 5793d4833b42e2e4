"""A one-shot node in a process of its own, with a recogniser that sleeps and writes down every window:
`python -m tests.support.one_shot_process SOURCE OUTPUT STATE WINDOWS_FILE`.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from stenod_server.app.node import Parts
from stenod_server.cli.bulk.one_shot import OneShotOrder
from stenod_server.cli.embedded import until_told
from stenod_server.engine.fake import FakeEngine
from stenod_server.settings import Settings, load
from tests.support.front_end import ScriptedFrontEnd, make_windows
from tests.support.speech import PROJECT_ROOT

WINDOWS = 40
GAP_S = 1.0  # a pause after each window: every window is a segment or two


class CountingEngine(FakeEngine):
    """Writes a line for each window that it has recognised, so that the count outlives the process."""

    def __init__(self, file: Path, *, fixed_delay_s: float) -> None:
        super().__init__(fixed_delay_s=fixed_delay_s)
        self._file = file

    async def recognise(self, *args: Any, **options: Any) -> Any:
        result = await super().recognise(*args, **options)
        with self._file.open("a") as lines:
            lines.write("window\n")
        return result


def counted(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def one_shot_settings(directory: Path) -> Settings:
    return load(
        data_dir=directory, models_dir=directory, model="fake", voices_model="", parallel=1, log_level="warning"
    )


def recording() -> ScriptedFrontEnd:
    return ScriptedFrontEnd(make_windows(WINDOWS, gap_s=GAP_S))


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.one_shot_process", *arguments, cwd=PROJECT_ROOT
    )


async def _main(source: str, output: str, state: str, windows_file: str) -> int:
    engine = CountingEngine(Path(windows_file), fixed_delay_s=0.05)
    order = OneShotOrder(
        sources=(source,),
        output=output,
        forms=(),
        config={},
        settings=one_shot_settings(Path(windows_file).parent / "models"),
        state=state,
        checkpoint_s=0.2,
        grace_s=0.0,
    )
    return await until_told(order, Parts(engine=engine, front_end=recording()))


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(*sys.argv[1:])))
