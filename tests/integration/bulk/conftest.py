from collections.abc import AsyncIterator

import pytest

from tests.support.s3_place import BUCKET, S3Place, place
from tests.support.seaweed import S3Server, running_s3
from tests.support.waves import talk, write_wav


@pytest.fixture(scope="package")
async def s3(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[S3Server]:
    async with running_s3(tmp_path_factory.mktemp("seaweed")) as server:
        await server.make_bucket(BUCKET)
        yield server


@pytest.fixture
async def source(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Place:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return place(s3, "calls")


@pytest.fixture
async def target(s3: S3Server) -> S3Place:
    return place(s3, "results")


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A second of what passes for speech."""
    return write_wav(tmp_path_factory.mktemp("speech") / "talk.wav", talk(1.0)).read_bytes()
