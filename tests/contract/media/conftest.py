"""What holds media: directories, and a bucket of a real S3 server, each beside the databases that name it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from stenod_server.store.open import Shared, Stores, open_store
from tests.contract.conftest import DURABLE, GATHER_S, POSTGRES
from tests.support.postgres import DATABASE
from tests.support.s3_place import BUCKET, S3Place, place
from tests.support.seaweed import S3Server, running_s3

Reopen = Callable[[], Awaitable[Stores]]
Held = Callable[[], Awaitable[list[str]]]
MEMORY: Final = "sqlite-memory"
IN_A_BUCKET: Final = "+s3"


@pytest.fixture(scope="package")
async def s3(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[S3Server]:
    async with running_s3(tmp_path_factory.mktemp("seaweed")) as server:
        await server.make_bucket(BUCKET)
        yield server


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Place:
    """An empty place; the environment has the credentials for it."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return place(s3, "media")


def _opener(name: str, request: pytest.FixtureRequest, path: Path) -> Reopen:
    database = name.removesuffix(IN_A_BUCKET)
    shared = Shared(
        database_url=request.getfixturevalue("postgres").url(DATABASE) if database == POSTGRES else "",
        blob_url=request.getfixturevalue("bucket").url if name.endswith(IN_A_BUCKET) else "",
    )
    return partial(open_store, path, gather_s=GATHER_S, in_memory=database == MEMORY, shared=shared)


@pytest.fixture(params=[*DURABLE, MEMORY, MEMORY + IN_A_BUCKET, POSTGRES + IN_A_BUCKET])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Reopen:
    """What begins servers is no coroutine: it could not wait for them."""
    return _opener(request.param, request, tmp_path / "data")


@pytest.fixture
async def stores(opener: Reopen) -> AsyncIterator[Stores]:
    opened = await opener()
    yield opened
    await opened.close()


@pytest.fixture(params=[*DURABLE, *(name + IN_A_BUCKET for name in DURABLE)])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Reopen:
    """Opens a durable store; called again, the same one. The test closes what it opened."""
    return _opener(request.param, request, tmp_path / "data")


@pytest.fixture
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Held:
    """Gives every file and every object there is of media, wherever `stores` keeps them."""

    async def find() -> list[str]:
        places = [tmp_path / "data" / name for name in ("uploads", "blobs", "media-copies")]
        files = [str(path) for where in places for path in where.rglob("*") if path.is_file()]
        objects = await request.getfixturevalue("bucket").keys() if "bucket" in request.fixturenames else []
        return files + objects

    return find
