"""`stenod plan`: how many nodes a load needs, how long its jobs wait, what it costs."""

from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from stenod_server.cli.connection import fail
from stenod_server.cli.listing import Form, ListFormat, show_fields, show_json
from stenod_server.errors import InvalidField

if TYPE_CHECKING:
    from stenod_server.planning.plan import Cost, Plan
    from stenod_server.planning.prices import Price
    from stenod_server.planning.profile import Profile
    from stenod_server.planning.queueing import Waiting

DEFAULT_PROFILE: Final = "cpu-2-cores"


def plan(
    hours_per_hour: Annotated[
        float, typer.Option("--hours-per-hour", metavar="H", help="Hours of audio that come in within an hour.")
    ] = 0.0,
    peak_concurrent: Annotated[
        int, typer.Option("--peak-concurrent", metavar="N", help="Jobs that shall run side by side, none waiting.")
    ] = 0,
    profile: Annotated[
        str,
        typer.Option("--profile", metavar="FILE|NAME", help="What a node does: of `stenod bench profile`, or shipped."),
    ] = "",
    gpu: Annotated[str, typer.Option("--gpu", metavar="NAME", help="The shipped profile of nodes with this GPU.")] = "",
    mean_minutes: Annotated[
        float | None,
        typer.Option("--mean-minutes", metavar="M", help="Mean length of a recording (default: the profile's)."),
    ] = None,
    length_cv: Annotated[
        float | None,
        typer.Option(
            "--length-cv",
            metavar="C",
            help="How much lengths differ: standard deviation / mean (default: the profile's).",
        ),
    ] = None,
    max_utilisation: Annotated[
        float, typer.Option("--max-utilisation", metavar="U", help="How busy the nodes may be, 0 to 1.")
    ] = 0.8,
    max_wait: Annotated[
        float | None,
        typer.Option("--max-wait", metavar="S", help="What 95 % of the jobs may wait for engines, in seconds."),
    ] = None,
    nodes: Annotated[
        int, typer.Option("--nodes", metavar="N", help="See what so many nodes do (default: as few as needed).")
    ] = 0,
    price: Annotated[
        float | None, typer.Option("--price", metavar="P", help="Of a node for an hour, on demand.")
    ] = None,
    spot_price: Annotated[
        float | None, typer.Option("--spot-price", metavar="P", help="Of a node for an hour, as spot.")
    ] = None,
    machine: Annotated[
        str,
        typer.Option(
            "--machine", metavar="NAME", help="The row of the table of prices (default: the profile's machine)."
        ),
    ] = "",
    prices: Annotated[
        Path | None, typer.Option("--prices", metavar="FILE", help="A table of prices in place of the shipped one.")
    ] = None,
    form: Form = ListFormat.TABLE,
) -> None:
    """Say how many nodes and GPUs a load needs, how long its jobs wait, and what an hour of audio costs."""
    from stenod_server.planning.plan import Demand, make_plan

    try:
        known = _profile(profile, gpu)
        cost = _price(prices, machine or known.machine)
        cost = replace(cost, on_demand=cost.on_demand if price is None else price)
        cost = replace(cost, spot=cost.spot if spot_price is None else spot_price)
        demand = Demand(
            hours_per_hour=hours_per_hour,
            peak_concurrent=peak_concurrent,
            length_mean_s=60 * (mean_minutes or 0.0),
            length_cv=length_cv,
            max_utilisation=max_utilisation,
            max_p95_wait_s=max_wait,
            nodes=nodes,
        )
        made = make_plan(demand, known, cost)
    except (InvalidField, OSError) as error:
        fail(str(error))
    if form is ListFormat.JSON:
        show_json(_document(made, cost))
    else:
        show_fields(_fields(made, cost))
    for warning in made.warnings:
        typer.echo(f"stenod: warning: {warning}", err=True)


def _profile(name: str, gpu: str) -> "Profile":
    """Raises InvalidField, OSError."""
    from stenod_server.planning.profile import read_profile

    if name and Path(name).is_file():
        return read_profile(Path(name).read_text("utf-8"), name)
    folder = files("stenod_server.planning") / "profiles"
    shipped = [
        read_profile(path.read_text("utf-8"), path.name) for path in folder.iterdir() if path.name.endswith(".json")
    ]
    by_name = {one.name: one for one in shipped}
    if gpu and not name:
        found = next((one for one in shipped if one.gpu.lower() == gpu.lower()), None)
        if found is None:
            known = ", ".join(sorted({one.gpu for one in shipped if one.gpu})) or "none"
            raise InvalidField(
                "gpu", f"no shipped profile has {gpu} (known: {known}); measure one: stenod bench profile -o FILE"
            )
        return found
    wanted = name or DEFAULT_PROFILE
    if wanted not in by_name:
        raise InvalidField(
            "profile", f"there is no file and no shipped profile {wanted!r}: {', '.join(sorted(by_name))}"
        )
    return by_name[wanted]


def _price(path: Path | None, machine: str) -> "Price":
    """Raises InvalidField, OSError."""
    from stenod_server.planning.prices import Price, read_prices

    table = path or files("stenod_server.planning") / "prices.json"
    return read_prices(table.read_text("utf-8"), str(table)).get(machine.lower(), Price())


def _fields(plan: "Plan", price: "Price") -> dict[str, Any]:
    waits, slower, of = plan.waiting, plan.waiting_if_slower, plan.profile
    return {
        "profile": f"{of.name}: {of.model} on {of.machine} ({of.basis}, {of.date})",
        "demand": f"{plan.hours_per_hour:g} h of audio an hour" if plan.hours_per_hour else None,
        "nodes": plan.nodes,
        "GPUs": plan.gpus,
        "engines": plan.engines,
        "most": f"{plan.most_hours_per_hour:.1f} h of audio an hour",
        "files at a time, a node": f"{plan.concurrency_limit}, each within its own length",
        "utilisation": f"{100 * waits.utilisation:.0f} %" if waits else None,
        "jobs that wait": _percent(waits.wait_ratio) if waits else None,
        "mean wait": _seconds(waits.mean_wait_s) if waits else None,
        "95 % wait at most": _seconds(waits.p95_wait_s) if waits else None,
        f"{100 * (of.noise_ratio or 0):.0f} % slower": _slower(slower) if slower else None,
        "mean run": _seconds(waits.mean_service_s) if waits else None,
        "on demand": _money(plan.on_demand, price),
        "spot": _money(plan.spot, price),
        "prices": f"{price.source} ({price.date})" if price.source else None,
    }


def _slower(waits: "Waiting") -> str:
    told = f"mean wait {_seconds(waits.mean_wait_s)}, 95 % {_seconds(waits.p95_wait_s)}"
    return f"{told} (by so much two measurements differed)"


def _seconds(seconds: float | None) -> str:
    return "without end" if seconds is None else f"{seconds:.2f} s"


def _percent(ratio: float | None) -> str:
    return "all" if ratio is None else f"{100 * ratio:.1f} %"


def _money(cost: "Cost", price: "Price") -> str | None:
    if cost.per_hour is None:
        return None
    return (
        f"{cost.per_hour:.3f} {price.currency} an hour, {cost.per_audio_hour:.5f} an hour of audio, "
        f"{cost.per_audio_minute:.7f} a minute"
    )


def _document(plan: "Plan", price: "Price") -> dict[str, Any]:
    """What is not known, and what never ends, is null."""
    profile = {name: value for name, value in asdict(plan.profile).items() if name != "speeds"}
    fields = {name: value for name, value in asdict(plan).items() if name != "profile"}
    return {"profile": profile, **fields, "prices": asdict(price)}
