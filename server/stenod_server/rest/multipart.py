"""multipart/form-data (RFC 7578) as it arrives: small fields in memory, the file piece by piece and never whole.

Clients send the parts in any order, and any content type with them; only the names of the fields count.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from stenod_server.errors import InvalidField, LimitExceeded

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks  # which is there for type checkers alone

MAX_FIELDS_BYTES: Final = 1024 * 1024  # a configuration with a thousand words to expect has some hundred kilobytes
MAX_PARTS: Final = 1000


@dataclass(frozen=True, slots=True)
class _Piece:
    """What the parser said: the beginning of a part, bytes of it, or its end."""

    headers: dict[bytes, bytes] | None = None
    data: bytes = b""
    is_end: bool = False


class Part:
    """One field of a form. Its bytes can be read once, and only before the next part is asked for."""

    def __init__(self, name: str, file_name: str, pieces: AsyncIterator[_Piece]) -> None:
        self.name = name
        self.file_name = file_name
        self._pieces = pieces
        self._is_over = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, as they arrive."""
        while not self._is_over:
            piece = await anext(self._pieces)
            self._is_over = piece.is_end
            if piece.data:
                yield piece.data


class Form:
    """The parts of a request's body, in their order."""

    def __init__(self, request: Request, *, max_fields_bytes: int = MAX_FIELDS_BYTES) -> None:
        content_type, options = parse_options_header(request.headers.get("content-type"))
        boundary = options.get(b"boundary")
        if content_type != b"multipart/form-data" or not boundary:
            raise InvalidField("content-type", "must be multipart/form-data with a boundary")
        self._pieces = _parsed(request.stream(), boundary)
        self._max_fields_bytes = max_fields_bytes
        self._fields_bytes = 0

    async def parts(self) -> AsyncIterator[Part]:
        """Each part; what its reader has left of the one before is skipped. Raises InvalidField, LimitExceeded."""
        count = 0
        async for piece in self._pieces:
            if piece.headers is None:
                continue
            count += 1
            if count > MAX_PARTS:
                raise LimitExceeded("body", limit="parts of a form", allowed=MAX_PARTS)
            part = _opened(piece.headers, self._pieces)
            yield part
            async for _ in part.chunks():
                pass

    async def text(self, part: Part) -> str:
        """A field's value. Raises LimitExceeded when all fields together are too large, InvalidField."""
        value = bytearray()
        async for chunk in part.chunks():
            self._fields_bytes += len(chunk)
            if self._fields_bytes > self._max_fields_bytes:
                raise LimitExceeded(part.name, limit="bytes of all fields of a form", allowed=self._max_fields_bytes)
            value += chunk
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise InvalidField(part.name, "is no UTF-8 text") from error


def _opened(headers: dict[bytes, bytes], pieces: AsyncIterator[_Piece]) -> Part:
    disposition, options = parse_options_header(headers.get(b"content-disposition"))
    name = options.get(b"name")
    if disposition != b"form-data" or name is None:
        raise InvalidField("body", "has a part without a name")
    return Part(name.decode(errors="replace"), options.get(b"filename", b"").decode(errors="replace"), pieces)


async def _parsed(stream: AsyncIterator[bytes], boundary: bytes) -> AsyncIterator[_Piece]:
    sink = _Sink()
    try:
        parser = MultipartParser(boundary, sink.callbacks())
        async for data in stream:
            parser.write(data)
            for piece in sink.taken():
                yield piece
    except FormParserError as error:
        raise InvalidField("body", "is no multipart/form-data") from error
    if not sink.is_complete:
        raise InvalidField("body", "ends before its last boundary")


class _Sink:
    """Collects what the parser calls out while it reads one piece of the body."""

    def __init__(self) -> None:
        self.is_complete = False
        self._pieces: list[_Piece] = []
        self._headers: dict[bytes, bytes] = {}
        self._name = bytearray()
        self._value = bytearray()

    def taken(self) -> list[_Piece]:
        pieces, self._pieces = self._pieces, []
        return pieces

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._headers.clear,
            "on_part_data": lambda data, start, end: self._pieces.append(_Piece(data=data[start:end])),
            "on_part_end": lambda: self._pieces.append(_Piece(is_end=True)),
            "on_header_begin": self._clear,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._keep,
            "on_headers_finished": lambda: self._pieces.append(_Piece(headers=dict(self._headers))),
            "on_end": self._complete,
        }

    def _clear(self) -> None:
        self._name.clear()
        self._value.clear()

    def _keep(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)

    def _complete(self) -> None:
        self.is_complete = True
