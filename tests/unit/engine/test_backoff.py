from stenod_server.engine.backoff import Backoff


def test_waits_double_up_to_the_maximum() -> None:
    backoff = Backoff(initial_s=1.0, maximum_s=5.0, chance=lambda: 1.0)
    assert [backoff.next_s() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_half_of_a_wait_is_chance() -> None:
    assert Backoff(initial_s=4.0, maximum_s=9.0, chance=lambda: 0.0).next_s() == 2.0


def test_reset_starts_over() -> None:
    backoff = Backoff(initial_s=1.0, maximum_s=5.0, chance=lambda: 1.0)
    backoff.next_s()
    backoff.reset()
    assert backoff.next_s() == 1.0


def test_a_night_of_failures_does_not_overflow() -> None:
    backoff = Backoff(initial_s=1.0, maximum_s=5.0, chance=lambda: 1.0)
    assert [backoff.next_s() for _ in range(5000)][-1] == 5.0
