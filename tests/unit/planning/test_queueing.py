import math
import random
from collections.abc import Callable

import pytest

from stenod_server.planning.queueing import Queue, waiting
from tests.support.queue_simulation import play


def _erlang_c(servers: int, offered: float) -> float:
    below = sum(offered**n / math.factorial(n) for n in range(servers))
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return last / (below + last)


@pytest.mark.parametrize(("servers", "utilisation"), [(1, 0.5), (4, 0.8), (16, 0.95), (40, 0.9)])
def test_with_servers_of_their_own_it_is_erlangs_c(servers: int, utilisation: float) -> None:
    found = waiting(Queue(arrivals_per_s=servers * utilisation, served_per_s=lambda n: min(n, servers), places=servers))
    expected = _erlang_c(servers, servers * utilisation)
    assert found.wait_ratio == pytest.approx(expected)
    assert found.mean_wait_s == pytest.approx(expected / (servers * (1 - utilisation)))
    assert found.mean_service_s == pytest.approx(1.0)


def test_with_one_server_it_is_pollaczeks_and_khinchines_formula() -> None:
    found = waiting(Queue(arrivals_per_s=0.8, served_per_s=lambda _: 1.0, places=1, cv_service=0.5))
    assert found.mean_wait_s == pytest.approx(0.8 / (1 - 0.8) * (1 + 0.5**2) / 2)


@pytest.mark.parametrize("utilisation", [1.0, 1.5])
def test_more_than_is_done_waits_without_end(utilisation: float) -> None:
    found = waiting(Queue(arrivals_per_s=utilisation, served_per_s=lambda _: 1.0, places=4))
    assert (found.mean_wait_s, found.p95_wait_s, found.utilisation) == (None, None, utilisation)


def test_a_thousand_places_and_none_that_come() -> None:
    idle = waiting(Queue(arrivals_per_s=0.0, served_per_s=float, places=1000))
    assert (idle.mean_wait_s, idle.mean_service_s) == (0.0, 1.0)
    busy = waiting(Queue(arrivals_per_s=900.0, served_per_s=float, places=1000))
    assert busy.mean_wait_s is not None
    assert 0 < busy.mean_wait_s < 1e-3


def _saturating(places: int) -> Callable[[int], float]:
    """As a node is: half of its speed with a quarter of its engines."""
    return lambda n: min(n, places) / places * (2 - min(n, places) / places)


def _lognormal(cv: float) -> Callable[[random.Random], float]:
    variance = math.log(1 + cv**2)
    return lambda chance: chance.lognormvariate(-variance / 2, math.sqrt(variance))


@pytest.mark.parametrize("cv", [0.5, 1.3])
@pytest.mark.parametrize("utilisation", [0.5, 0.8, 0.95])
def test_the_wait_is_that_of_a_queue_that_is_played_through(utilisation: float, cv: float) -> None:
    places, served_per_s = 4, _saturating(4)
    found = waiting(Queue(arrivals_per_s=utilisation, served_per_s=served_per_s, places=places, cv_service=cv))
    played = play(utilisation, served_per_s, places=places, size=_lognormal(cv), jobs=60_000)
    assert found.mean_wait_s is not None
    assert found.p95_wait_s is not None
    assert found.mean_service_s is not None
    # An approximation: at half load it says 27 % too much of lengths that differ much, and of the latest 40 %. And
    # 60 000 jobs at 95 % are few.
    assert found.mean_wait_s == pytest.approx(played.mean_wait_s, rel=0.3, abs=0.05)
    assert found.p95_wait_s == pytest.approx(played.p95_wait_s, rel=0.45, abs=0.2)
    assert found.mean_service_s == pytest.approx(played.mean_service_s, rel=0.1)
