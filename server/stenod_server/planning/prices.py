"""What nodes cost, as far as somebody wrote it down: a table with its source and its date, to be replaced by yours."""

import json
from dataclasses import dataclass

from stenod_server.errors import InvalidField


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Of one node for an hour, in `currency`; None: not known."""

    on_demand: float | None = None
    spot: float | None = None
    currency: str = "USD"
    source: str = ""
    date: str = ""


def read_prices(text: str, source: str) -> dict[str, Price]:
    """By the name of the machine, in lower case. Raises InvalidField naming `source`."""
    try:
        rows = json.loads(text)["prices"]
        return {row.pop("machine").lower(): Price(**row) for row in rows}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidField(source, f"is no table of prices: {error}") from error
