"""Options that belong together, as one argument of a command: a frozen dataclass whose fields are the options."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import Field, fields, is_dataclass
from typing import Any

import typer


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of each of its arguments that is such a group, behind its own."""
    parameters = inspect.signature(command).parameters.values()
    groups: dict[str, Any] = {one.name: one.annotation for one in parameters if is_dataclass(one.annotation)}
    own = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters if one.name not in groups]
    options = [_parameter(field) for group in groups.values() for field in fields(group)]

    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        made = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **made)

    # Typer reads the options from the signature, and their types from the annotations.
    wrapped.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *options]}
    return wrapped


def given_options(group: Any) -> dict[str, Any]:
    """The options of a group that were given, by name."""
    every = {field.name: getattr(group, field.name) for field in fields(group)}
    return {name: value for name, value in every.items() if value is not None}


def ratio_option(help_text: str, default: str, panel: str) -> Any:
    """An option of 0 to 1; `default` is told, not given."""
    return typer.Option(min=0, max=1, metavar="RATIO", help=help_text, show_default=default, rich_help_panel=panel)


def _parameter(field: Field[Any]) -> inspect.Parameter:
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
