"""How long and how often to try: time-outs, and waits that grow at random between attempts."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import random
from typing import TypeVar

from core.backoff import BackOff
from core.client.breaker import CircuitBreaker
from core.client.errors import ClientError, TransientError

T = TypeVar("T")
Seconds = Callable[[], float]  # a clock that only goes forward


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long things may take, in seconds."""

    connect_seconds: float = 2.0
    answer_seconds: float = 10.0  # of one attempt
    total_seconds: float = 30.0  # of a call with all its attempts and the waits between them

    def __post_init__(self) -> None:
        if min(self.connect_seconds, self.answer_seconds, self.total_seconds) <= 0:
            raise ValueError("time-outs must be above zero")


class RetryPolicy:
    """Carries out attempts until one succeeds, it makes no sense to go on, or time is up."""

    def __init__(
        self,
        timeouts: Timeouts,
        back_off: BackOff,
        *,
        clock: Seconds = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        random_share: Callable[[], float] = random,
    ) -> None:
        self._timeouts = timeouts
        self._back_off = back_off
        self._clock = clock
        self._sleep = sleep
        self._random_share = random_share

    def once(self, attempt: Callable[[float], T]) -> T:
        """Try once, whatever the breaker knows."""
        return attempt(self._clock() + self._timeouts.answer_seconds)

    def until_answered(self, breaker: CircuitBreaker, attempt: Callable[[float], T]) -> T:
        """Try until there is an answer.

        Args:
            breaker: Says whether the peer is to be asked at all, and is told how it went.
            attempt: What to try; given the instant by which it must be over.
        Raises:
            CircuitOpenError: The peer is left alone just now.
            TransientError: The last failure, when attempts or time are used up or the breaker has opened.
            ClientError: The peer has answered, and it is no use to ask again.
        """
        end = self._clock() + self._timeouts.total_seconds
        n_failures = 0
        while True:
            breaker.admit()
            try:
                answer = attempt(min(end, self._clock() + self._timeouts.answer_seconds))
            except TransientError as error:
                breaker.failed(str(error))
                failure = error
                n_failures += 1
            except ClientError:
                breaker.succeeded()  # a refusal is an answer
                raise
            except BaseException:
                breaker.gave_up()
                raise
            else:
                breaker.succeeded()
                return answer
            wait = self._back_off.wait_seconds(n_failures, self._random_share())
            wait = max(wait, failure.retry_after_seconds or 0.0)
            if n_failures >= self._back_off.attempts or self._clock() + wait >= end or breaker.is_open:
                raise failure
            self._sleep(wait)
