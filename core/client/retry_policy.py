"""Time limits and retries: time-outs, and random waits that grow between attempts."""

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
    """Time limits, in seconds."""

    connect_seconds: float = 2.0
    answer_seconds: float = 10.0  # of one attempt
    total_seconds: float = 30.0  # of a call with all its attempts and the waits between them

    def __post_init__(self) -> None:
        if min(self.connect_seconds, self.answer_seconds, self.total_seconds) <= 0:
            raise ValueError("time-outs must be greater than zero")


class RetryPolicy:
    """Repeats attempts until an attempt succeeds, a retry makes no sense, or the time is up."""

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
        """Make one attempt, regardless of the breaker."""
        return attempt(self._clock() + self._timeouts.answer_seconds)

    def until_answered(self, breaker: CircuitBreaker, attempt: Callable[[float], T]) -> T:
        """Make attempts until there is an answer.

        Args:
            breaker: Decides whether to send at all, and learns of each result.
            attempt: One attempt; receives its deadline.
        Raises:
            CircuitOpenError: The breaker is open.
            TransientError: The last failure, when attempts or time are exhausted or the breaker has opened.
            ClientError: The peer has answered, and a retry cannot help.
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
