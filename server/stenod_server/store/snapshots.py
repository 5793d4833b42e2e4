"""The SQLite file of a node that runs, copied: for a successor that has neither its disk nor its media."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from stenod_server.errors import StoreUnavailable

FILE_NAME: Final = "stenod.db"


def take_snapshot(data_dir: Path, copy: Path) -> None:
    """Blocking; the node goes on meanwhile. In the copy, media that came from an address is to be fetched from it
    again: jobs that have not ended go on behind their last window all the same. Raises StoreUnavailable.
    """
    copy.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(data_dir / FILE_NAME)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            _forget_media(target)
            target.execute("PRAGMA journal_mode=DELETE")  # one file, whatever the original has beside it
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{data_dir / FILE_NAME} cannot be copied: {error}") from error


def _forget_media(database: sqlite3.Connection) -> None:
    rows = database.execute(
        "SELECT job_id, media FROM jobs WHERE state IN ('QUEUED', 'RUNNING') AND media_key != ''"
    ).fetchall()
    with database:
        for job_id, text in rows:
            media = json.loads(text)
            if media.get("remote"):
                fresh = json.dumps({**media, "key": "", "size_bytes": 0, "sha256": ""})
                database.execute("UPDATE jobs SET media = ?, media_key = '' WHERE job_id = ?", (fresh, job_id))
