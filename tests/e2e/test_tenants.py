"""The proof `tests/proofs/tenants.py`."""

from pathlib import Path

from tests.support.tenant_trials import try_every_call, try_what_is_shared
from tests.support.tenants import CALLS, CASES, two_tenants


async def test_nobody_gets_what_is_another_s(tmp_path: Path) -> None:
    async with two_tenants(tmp_path) as town:
        calls = [row async for row in try_every_call(town)]
        shared = [row async for row in try_what_is_shared(town)]
    assert [problem for row in (*calls, *shared) for problem in row.deviations] == []
    assert [row.call for row in calls] == list(CALLS)
    assert {len(row.codes) for row in calls} == {22}


def test_every_call_of_the_service_has_a_case() -> None:
    assert CASES.keys() == set(CALLS)
