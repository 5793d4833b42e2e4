"""Puts the store together: jobs in a SQLite file or in PostgreSQL, media and uploads in a directory or a bucket."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from stenod_server.ports import Clock, MediaSpool
from stenod_server.ports.cluster import Signals
from stenod_server.store import disk
from stenod_server.store.blobs import ObjectBlobStore, open_bucket_blobs, open_local_blobs
from stenod_server.store.bucket_spool import BucketMediaSpool
from stenod_server.store.bucket_url import parse_bucket
from stenod_server.store.database import Database
from stenod_server.store.database_clock import DatabaseClock
from stenod_server.store.deliveries import SqlDeliveryStore
from stenod_server.store.faults import translated
from stenod_server.store.jobs import SqlJobStore
from stenod_server.store.migration import upgrade
from stenod_server.store.nodes import SqlNodeStore
from stenod_server.store.postgres import POOL_SIZE, open_postgres
from stenod_server.store.postgres_driver import PostgresUrl
from stenod_server.store.postgres_signals import PostgresSignals
from stenod_server.store.recorder import GATHER_S
from stenod_server.store.retention import SqlRetentionStore
from stenod_server.store.signals import LocalSignals
from stenod_server.store.sqlite import open_sqlite
from stenod_server.store.upload_files import FileMediaSpool
from stenod_server.store.upload_pieces import SqlUploadPieces
from stenod_server.store.uploads import SqlUploadStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What nodes share. Nothing: all is in the data directory of this one. `database_pool`: connections at most."""

    database_url: str = field(default="", repr=False)
    database_pool: int = POOL_SIZE
    blob_url: str = ""


ALONE: Final = Shared()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """All that a node keeps. `spool` saves the offsets of `uploads` and moves finished ones into `blobs`. `clock` is
    the database's, where nodes share one.
    """

    jobs: SqlJobStore
    deliveries: SqlDeliveryStore
    retention: SqlRetentionStore
    uploads: SqlUploadStore
    blobs: ObjectBlobStore
    spool: MediaSpool
    nodes: SqlNodeStore
    signals: Signals
    clock: Clock | None = None

    async def close(self) -> None:
        """May be called twice."""
        await self.jobs.close()  # and what it still tells is told
        if isinstance(self.signals, PostgresSignals):
            await self.signals.close()


async def open_store(
    data_dir: Path,
    *,
    in_memory: bool = False,
    gather_s: float = GATHER_S,
    min_free_bytes: int = 0,
    with_files: bool = False,
    shared: Shared = ALONE,
) -> Stores:
    """Open the store below `data_dir`, made where it is missing, its schema brought up to date; what nodes share is
    where `shared` says.

    `in_memory` keeps jobs and uploads in memory (their media is in files all the same): a store for tests. `gather_s`
    is how long progress is gathered before it is committed. Of the disk, `min_free_bytes` are left to the database.
    `with_files`: the transcripts of jobs accepted here are to be written to files, too.
    Raises StoreUnavailable, InvalidField.
    """
    with translated():
        await asyncio.to_thread(disk.make_private_directory, data_dir)
        blobs = await _open_blobs(data_dir, shared, min_free_bytes)
    if shared.database_url:
        database, signals, clock = await _open_postgres(shared)
    else:
        database, signals, clock = await _open_sqlite(None if in_memory else data_dir / "stenod.db")
    uploads = SqlUploadStore(database)
    return Stores(
        jobs=SqlJobStore(database, gather_s=gather_s, with_files=with_files),
        deliveries=SqlDeliveryStore(database),
        retention=SqlRetentionStore(database),
        uploads=uploads,
        blobs=blobs,
        spool=(
            BucketMediaSpool(parse_bucket(shared.blob_url).below("pieces"), SqlUploadPieces(database), blobs)
            if shared.blob_url
            else FileMediaSpool(data_dir / "uploads", uploads, blobs, min_free_bytes=min_free_bytes)
        ),
        nodes=SqlNodeStore(database),
        signals=signals,
        clock=clock,
    )


async def _open_blobs(data_dir: Path, shared: Shared, min_free_bytes: int) -> ObjectBlobStore:
    """The bucket is tried out: a node that cannot use it would take jobs and lose their media."""
    if not shared.blob_url:
        return await asyncio.to_thread(open_local_blobs, data_dir / "blobs", min_free_bytes=min_free_bytes)
    bucket = parse_bucket(shared.blob_url)
    await bucket.check()
    copies = data_dir / "media-copies"
    return await asyncio.to_thread(open_bucket_blobs, bucket.below("blobs"), copies, min_free_bytes=min_free_bytes)


async def _open_sqlite(path: Path | None) -> tuple[Database, Signals, Clock | None]:
    signals = LocalSignals()
    return await open_sqlite(path, upgrade, publish=signals.publish), signals, None


async def _open_postgres(shared: Shared) -> tuple[Database, Signals, Clock | None]:
    url, clock = PostgresUrl(shared.database_url), DatabaseClock()
    signals = PostgresSignals(url, clock)
    database = await open_postgres(url, upgrade, signals.publish, pool_size=shared.database_pool)
    try:
        await signals.start()
    except BaseException:
        await database.close()
        raise
    return database, signals, clock
