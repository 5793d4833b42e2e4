"""The proof `tests/proofs/ssrf.py` without a network of its own."""

from tests.proofs import ssrf
from tests.support.address_forms import forms


async def test_no_form_of_a_closed_address_reaches_a_listener() -> None:
    tried = [*await ssrf.try_all(forms(), allow=()), await ssrf.rebind()]
    assert len(tried) > 90
    assert [row for row in tried if not row.is_refused or row.times_reached] == []


async def test_the_listener_is_reached_where_the_operator_opens_its_network() -> None:
    """So that the test above can fail."""
    tried = await ssrf.control(has_own_network=False)
    assert {row.form for row in tried if row.times_reached != 2} == set()
