"""How what clients say is read."""

from collections.abc import Awaitable


class Refused(Exception):
    """What a client that is no Python told of a refusal."""


async def refusal(call: Awaitable[object]) -> str:
    """What the client raised, as its user can read it. Fails where the call went through."""
    try:
        answer = await call
    except Refused as refused:
        return str(refused)
    except Exception as error:  # noqa: BLE001  every client has a tree of its own
        answered = getattr(error, "response", None)  # what the error's text leaves out, for some
        return f"{type(error).__name__}: {error} {answered.text if answered else ''}"
    message = f"it went through, and should have been refused: {answer!r}"
    raise AssertionError(message)


def assert_says(said: str, *parts: str) -> None:
    """All of the parts."""
    missing = [part for part in parts if part not in said]
    assert not missing, f"{missing} should be in: {said}"


def assert_says_one(said: str, *parts: str) -> None:
    """One of the parts: every client has its own words."""
    assert any(part in said for part in parts), f"one of {parts} should be in: {said}"
