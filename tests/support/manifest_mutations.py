"""Faults that somebody could write into the manifests, each with the check that has to see it."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.manifests import Object, build, named

_GONE: Final = object()


@dataclass(frozen=True, slots=True, eq=False)
class Mutation:
    """`check` is schema, rules or checkov."""

    check: str
    title: str
    overlay: str
    object: str
    path: str
    says: str
    value: Any = _GONE

    def objects(self) -> list[Object]:
        """Raises LookupError where there is nothing to change."""
        return mutated(build(self.overlay), self)


def mutated(objects: Sequence[Object], mutation: Mutation) -> list[Object]:
    """Raises LookupError where there is nothing to change."""
    changed = copy.deepcopy(list(objects))
    *way, last = mutation.path.split("/")
    place: Any = named(changed, mutation.object)
    for step in way:
        place = place[_key(place, step)]
    key = _key(place, last)
    if mutation.value is _GONE:
        del place[key]
    else:
        place[key] = mutation.value
    return changed


def _key(place: Any, step: str) -> int | str:
    """Of a list, the number or the name of its item."""
    if not isinstance(place, list):
        return step
    return int(step) if step.isdecimal() else [item["name"] for item in place].index(step)


def _read() -> tuple[Mutation, ...]:
    listed = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
    return tuple(Mutation(check, **one) for check, ones in listed.items() for one in ones)


MUTATIONS: Final = _read()
