"""A hub of checkpoints on loopback that speaks Hugging Face's protocol, and breaks off where a test says so."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

REVISION = "0123456789abcdef0123456789abcdef01234567"
_RANGE = re.compile(r"bytes=(\d+)-")


@dataclass
class Hub:
    """One repository. `served` counts the bytes that were sent of each file; `break_after_bytes` are used up one an
    answer; `gated` and `published_sha256` (where it differs from the file's) are what goes wrong otherwise.
    """

    repository: str
    files: dict[str, bytes]
    licence: str = "apache-2.0"
    gated: bool = False
    break_after_bytes: list[int] = field(default_factory=list)
    published_sha256: dict[str, str] = field(default_factory=dict)
    sizes_bytes: dict[str, int] = field(default_factory=dict)
    served: dict[str, int] = field(default_factory=dict)
    endpoint: str = ""

    def about(self) -> dict[str, object]:
        siblings = [
            {
                "rfilename": name,
                "size": self.sizes_bytes.get(name, len(content)),
                "blobId": "0" * 40,
                "lfs": {
                    "sha256": self.published_sha256.get(name, hashlib.sha256(content).hexdigest()),
                    "size": len(content),
                    "pointerSize": 134,
                },
            }
            for name, content in self.files.items()
        ]
        return {"id": self.repository, "sha": REVISION, "siblings": siblings, "cardData": {"license": self.licence}}


class Handler(BaseHTTPRequestHandler):
    """Answers for `hub`, which whoever serves it sets."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        path, hub = self.path.partition("?")[0], self.hub
        if hub.gated:
            self._answer(HTTPStatus.FORBIDDEN, b"{}", {"x-error-code": "GatedRepo"})
        elif path.startswith(f"/api/models/{hub.repository}"):
            self._answer(HTTPStatus.OK, json.dumps(hub.about()).encode(), {"content-type": "application/json"})
        elif path.startswith(f"/{hub.repository}/resolve/{REVISION}/"):
            self._send_file(path.rpartition("/")[2])
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"{}", {"x-error-code": "RepoNotFound"})

    def _send_file(self, name: str) -> None:
        content = self.hub.files[name]
        found = _RANGE.fullmatch(self.headers.get("range", ""))
        start = int(found[1]) if found else 0
        rest = content[start:]
        breaks = self.hub.break_after_bytes
        sent = breaks.pop(0) if breaks and len(rest) > 1000 else len(rest)
        self.hub.served[name] = self.hub.served.get(name, 0) + len(rest[:sent])
        if found:
            whole = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._answer(HTTPStatus.PARTIAL_CONTENT, rest, {"content-range": whole}, sent=sent)
        else:
            self._answer(HTTPStatus.OK, rest, {}, sent=sent)

    def _answer(self, status: HTTPStatus, body: bytes, headers: dict[str, str], sent: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:sent])
        if sent is not None and sent < len(body):
            self.close_connection = True

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve it at `hub.endpoint` while the context is open."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
