"""What tests of uploads do again and again."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

from stenod_server.ports import Upload
from stenod_server.store.open import Stores
from tests.support.builders import make_upload


async def stream(*chunks: bytes, error: BaseException | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if error is not None:
        raise error


async def created(stores: Stores, **changes: object) -> Upload:
    return await stores.uploads.create_upload(make_upload(**changes))


async def known(stores: Stores, upload: Upload) -> Upload:
    return await stores.uploads.get_upload(upload.tenant, upload.upload_id)


async def blob(stores: Stores, upload: Upload) -> bytes:
    async with stores.blobs.local_path(stores.spool.key(upload)) as path:
        return await asyncio.to_thread(path.read_bytes)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
