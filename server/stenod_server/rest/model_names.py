"""Names of models that clients of other systems know, and the recognisers that stand behind them here."""

from collections.abc import Mapping


def recogniser(aliases: Mapping[str, str], name: str, loaded: Mapping[str, object]) -> str:
    """The recogniser for a model's name; empty: the node's default.

    A recogniser that is loaded goes by its own name; then counts what the setting `model_aliases` says, `*` last. A
    name that nothing says anything of stays as it is, and is refused by whoever looks for it.
    """
    if not name or name in loaded:
        return name
    return aliases.get(name, aliases.get("*", name))
