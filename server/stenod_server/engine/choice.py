"""Which Triton gets the next window. Pure: what is known of them are arguments."""

from collections.abc import Callable, Collection, Sequence
from typing import Final

from stenod_server.engine.target import Target
from stenod_server.errors import EngineUnavailable, ModelNotFound

# Between Tritons with equally many windows, one that takes so many times as long as the quickest waits for its turn.
_MUCH_SLOWER: Final = 2.0

ModelsOf = Callable[[Target], Collection[str]]


def recognisers_of(target: Target) -> Collection[str]:
    return target.loaded.recognisers.keys()


def voices_of(target: Target) -> Collection[str]:
    return target.loaded.voices.keys()


def pick(
    targets: Sequence[Target],
    turn: int,
    model: str = "",
    *,
    models_of: ModelsOf = recognisers_of,
) -> Target:
    """The healthy Triton that has `model` ("" = any) and the fewest windows in flight; between equals those that are
    not much slower than the others take turns. Raises EngineUnavailable, ModelNotFound.
    """
    having = [target for target in targets if not model or model in models_of(target)]
    for are_trusted in (True, False):
        candidates = [target for target in having if target.is_healthy and target.is_trusted is are_trusted]
        if candidates:
            fewest = min(target.in_flight for target in candidates)
            idlest = _not_slow([target for target in candidates if target.in_flight == fewest], model)
            return idlest[turn % len(idlest)]
    if not targets:
        raise EngineUnavailable("Triton is not running yet", absent=True)
    if not having and any(target.is_healthy for target in targets):
        raise ModelNotFound(model)
    away = [target for target in targets if not target.is_healthy]
    reasons = (str(target.problem or f"Triton at {target.url} was not checked yet") for target in away)
    raise EngineUnavailable("no Triton is ready: " + "; ".join(reasons), absent=True)


def other_than(targets: Sequence[Target], first: Target, model: str) -> list[Target]:
    """Who else may be asked for a window that `first` takes long over: who is trusted and has the same revision of the
    model, so that the words do not depend on who was quicker.
    """
    profile = first.loaded.recognisers.get(model)
    return [
        target
        for target in targets
        if target is not first
        and target.is_trusted
        and profile is not None
        and (found := target.loaded.recognisers.get(model)) is not None
        and found.revision == profile.revision
    ]


def _not_slow(targets: Sequence[Target], model: str) -> Sequence[Target]:
    paces = [target.pace.usual(model) for target in targets]
    known = [pace for pace in paces if pace is not None]
    if len(known) < 2:
        return targets
    limit = _MUCH_SLOWER * min(known)
    return [target for target, pace in zip(targets, paces, strict=True) if pace is None or pace <= limit]
