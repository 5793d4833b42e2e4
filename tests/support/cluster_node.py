"""A node of a cluster: `stenod serve` that shares a database, a bucket and Tritons with others."""

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.private_network import Host
from tests.support.restartable import RestartableServer, free_port
from tests.support.server import start_server


class ClusterNode(RestartableServer):
    """It has the same name, data and address through every restart."""

    def __init__(
        self,
        name: str,
        data_dir: Path,
        *options: str,
        models_dir: Path,
        host: Host | None,
        environment: Mapping[str, str],
    ) -> None:
        super().__init__(data_dir, models_dir=models_dir)
        self.name = name
        self.host = host
        at = host.address if host else "127.0.0.1"
        self.address = f"{at}:{free_port()}"
        self._environment = environment
        self._options = (
            *options,
            f"--node={name}",
            f"--listen={self.address}",
            f"--metrics-listen={at}:0",
            "--http-listen=off",
            "--health-listen=off",
        )
        self._log = data_dir.with_suffix(".log")

    @property
    def log(self) -> Path:
        assert self._log is not None
        return self._log

    async def start(self) -> None:
        prefix: Sequence[str] = self.host.prefix if self.host else ()
        self._server = await start_server(
            self.data_dir,
            *self._options,
            models_dir=self._models_dir,
            log=self._log,
            prefix=prefix,
            environment=self._environment,
        )

    async def close(self) -> int:
        """As its parent; what does not end in time is killed, or its host would stay with it."""
        try:
            return await super().close()
        except TimeoutError:
            self.send(signal.SIGKILL)
            raise

    def refused(self) -> int:
        """Jobs that it went on with, and that were not its own any more: what it wrote of them was refused."""
        return self.log.read_text().count(" job_lost ")
