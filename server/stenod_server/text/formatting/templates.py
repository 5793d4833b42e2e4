r"""What is written for a match: text, in which `\1` to `\9` are what a group matched, and `\\` is a backslash.

Read once, when a job is submitted, so that no escape is found wanting while it runs. As in RE2, a group has one digit:
`\10` is the first group and a 0.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, Protocol, TypeAlias

_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)
_GROUPS: Final = frozenset("123456789")


class Match(Protocol):
    def span(self) -> tuple[int, int]: ...
    def group(self, number: int) -> str | None: ...


Template: TypeAlias = Callable[[Match], str]


def template(text: str, groups: int) -> Template:
    """Of an expression with so many groups. Raises ValueError for an escape, or a group, that is none."""
    parts = list(_parts(text, groups))
    return lambda match: "".join(part if isinstance(part, str) else match.group(part) or "" for part in parts)


def _parts(text: str, groups: int) -> Iterator[str | int]:
    """Text, and numbers of groups."""
    done = 0
    for escape in _ESCAPE.finditer(text):
        yield text[done : escape.start()]
        yield _meant(escape[1], groups)
        done = escape.end()
    yield text[done:]


def _meant(escaped: str, groups: int) -> str | int:
    if escaped == "\\":
        return escaped
    if escaped not in _GROUPS:
        raise ValueError(rf"\{escaped} in the replacement is no escape; there are \\ and \1 to \9")
    if int(escaped) > groups:
        raise ValueError(rf"\{escaped} in the replacement is no group of it")
    return int(escaped)
