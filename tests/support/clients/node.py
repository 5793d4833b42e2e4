"""The clients for Node: scripts of tests/e2e that are driven by arguments."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.clients.cell import Refused
from tests.support.node_packages import installed_packages, run_script
from tests.support.speech import PROJECT_ROOT


@dataclass(frozen=True, slots=True)
class NodeScript:
    """A script beside its packages."""

    directory: Path
    name: str

    async def __call__(self, action: str, url: str, key: str, /, **given: Any) -> Any:
        status, out, errors = await run_script(self.directory, self.name, action, url, key, json.dumps(given))
        assert status == 0, errors
        said = json.loads(out)
        if error := said.get("error"):
            about = [f"{error.pop('name')}: {error.pop('message')}", *(str(more) for more in error.values() if more)]
            raise Refused(" ".join(about))
        return said["answer"]


async def node_script(packages: str, name: str) -> NodeScript:
    """`packages` is a directory of tests/e2e."""
    return NodeScript(await installed_packages(PROJECT_ROOT / "tests" / "e2e" / packages, name), name)
