"""The circuit breaker alone, with a controlled clock."""

import pytest

from core.client import BreakerState, CircuitBreaker, CircuitOpenError
from tests.clocks import HandSeconds


@pytest.fixture
def breaker(seconds: HandSeconds) -> CircuitBreaker:
    found = CircuitBreaker(n_failures=2, rest_seconds=10.0, clock=seconds)
    for _ in range(2):
        found.admit()
        found.failed("down")
    return found


def test_failures_that_are_not_consecutive_do_not_open_it() -> None:
    breaker = CircuitBreaker(n_failures=2)
    for _ in range(5):
        breaker.failed("down")
        breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED


def test_it_opens_for_exactly_its_rest(breaker: CircuitBreaker, seconds: HandSeconds) -> None:
    seconds.seconds = 9.999
    assert breaker.state is BreakerState.OPEN
    with pytest.raises(CircuitOpenError):
        breaker.admit()
    seconds.seconds = 10.0
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.admit()


def test_one_request_at_a_time_is_on_trial(breaker: CircuitBreaker, seconds: HandSeconds) -> None:
    seconds.seconds = 10.0
    breaker.admit()
    with pytest.raises(CircuitOpenError):
        breaker.admit()
    breaker.failed("still down")
    assert breaker.state is BreakerState.OPEN
    seconds.seconds = 19.9
    assert breaker.is_open


def test_an_abandoned_trial_allows_another(breaker: CircuitBreaker, seconds: HandSeconds) -> None:
    seconds.seconds = 10.0
    breaker.admit()
    breaker.gave_up()
    breaker.admit()
    breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED


def test_a_straggler_does_not_lengthen_the_rest(breaker: CircuitBreaker, seconds: HandSeconds) -> None:
    seconds.seconds = 5.0
    breaker.failed("an old request")
    seconds.seconds = 10.0
    assert breaker.state is BreakerState.HALF_OPEN
