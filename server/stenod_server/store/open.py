"""Puts the store of one node together: a SQLite file, media and uploads in directories, all in one data directory."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from stenod_server.store import disk
from stenod_server.store.blobs import ObjectBlobStore, open_local_blobs
from stenod_server.store.deliveries import SqlDeliveryStore
from stenod_server.store.faults import translated
from stenod_server.store.jobs import SqlJobStore
from stenod_server.store.migration import upgrade
from stenod_server.store.recorder import GATHER_S
from stenod_server.store.retention import SqlRetentionStore
from stenod_server.store.sqlite import open_sqlite
from stenod_server.store.upload_files import FileMediaSpool
from stenod_server.store.uploads import SqlUploadStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """All that a node keeps. `spool` saves the offsets of `uploads` and moves finished ones into `blobs`."""

    jobs: SqlJobStore
    deliveries: SqlDeliveryStore
    retention: SqlRetentionStore
    uploads: SqlUploadStore
    blobs: ObjectBlobStore
    spool: FileMediaSpool

    async def close(self) -> None:
        """May be called twice."""
        await self.jobs.close()


async def open_store(
    data_dir: Path,
    *,
    in_memory: bool = False,
    gather_s: float = GATHER_S,
    min_free_bytes: int = 0,
    with_files: bool = False,
) -> Stores:
    """Open the store below `data_dir`, made where it is missing, its schema brought up to date.

    `in_memory` keeps jobs and uploads in memory (their media is in files all the same): a store for tests. `gather_s`
    is how long progress is gathered before it is committed. Of the disk, `min_free_bytes` are left to the database.
    `with_files`: the transcripts of jobs accepted here are to be written to files, too.
    Raises StoreUnavailable.
    """
    with translated():
        await asyncio.to_thread(disk.make_private_directory, data_dir)
        blobs = await asyncio.to_thread(open_local_blobs, data_dir / "blobs", min_free_bytes=min_free_bytes)
    database = await open_sqlite(None if in_memory else data_dir / "stenod.db", upgrade)
    uploads = SqlUploadStore(database)
    return Stores(
        jobs=SqlJobStore(database, gather_s=gather_s, with_files=with_files),
        deliveries=SqlDeliveryStore(database),
        retention=SqlRetentionStore(database),
        uploads=uploads,
        blobs=blobs,
        spool=FileMediaSpool(data_dir / "uploads", uploads, blobs, min_free_bytes=min_free_bytes),
    )
