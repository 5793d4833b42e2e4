"""Jobs and uploads in SQL, media in an object store, uploads under way in files; built by `open.open_store`.

Implements `ports.JobStore`, `UploadStore`, `BlobStore` and `MediaSpool`. What SQLite alone knows stands in `sqlite.py`;
the statements are dialect-neutral Core. May import `telemetry`, `ports`, `domain` and `errors`; no exception of a
driver leaves it (`faults.py`).
"""
