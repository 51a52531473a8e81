"""What one evaluation may read and how long it may take: an expression of a few characters can ask for any amount."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from core.errors import CoreError
from core.promql.errors import PromqlError

MAXIMUM_SAMPLES: Final = 50_000_000
"""As `query.max-samples` of Prometheus."""
MAXIMUM_SECONDS: Final = 120.0
"""As `query.timeout` of Prometheus."""


class EvaluationStoppedError(CoreError):
    """The process ends, so the evaluation was given up; the expression has no fault."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("The evaluation was given up, because the process ends.")


@dataclass(frozen=True, slots=True)
class EvaluationLimits:
    """The limits of evaluations.

    Attributes:
        max_samples: How many samples one evaluation may hold, and how many its windows may have at an instant.
        seconds: How long it may take.
        stop: Set when evaluations must end at once.
    """

    max_samples: int = MAXIMUM_SAMPLES
    seconds: float = MAXIMUM_SECONDS
    stop: threading.Event | None = None

    def begin(self) -> "EvaluationBudget":
        """Begin an evaluation."""
        return EvaluationBudget(self)


class EvaluationBudget:
    """What is left to one evaluation: of a rule with its templates, or of an expression that a person typed."""

    def __init__(self, limits: EvaluationLimits | None = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin to count.

        Args:
            limits: The limits; by default those of Prometheus.
            monotonic: Seconds of a clock that is never set back.
        """
        self._limits = limits or EvaluationLimits()
        self._monotonic = monotonic
        self._deadline = monotonic() + self._limits.seconds
        self._n_held = self._n_in_windows = 0

    def hold(self, n_samples: int) -> None:
        """Count samples that are read, or that are about to be laid out.

        Raises:
            PromqlError: They are too many, or the time is over.
            EvaluationStoppedError: The process ends.
        """
        self._n_held += n_samples
        self._require(self._n_held, "needs")
        self.check()

    def look_at(self, n_samples: int, n_instants: int) -> None:
        """Count the samples of windows that are about to be looked at.

        Args:
            n_samples: How many the windows have together; a sample counts in each window that holds it.
            n_instants: How many instants are asked for: each of them may look at as many.

        Raises:
            PromqlError: They are too many, or the time is over.
            EvaluationStoppedError: The process ends.
        """
        self._n_in_windows += -(-n_samples // n_instants)
        self._require(self._n_in_windows, "looks at")
        self.check()

    def check(self) -> None:
        """Require that there is time left; whoever works long calls it between the parts.

        Raises:
            PromqlError: The time is over.
            EvaluationStoppedError: The process ends.
        """
        stop = self._limits.stop
        if stop is not None and stop.is_set():
            raise EvaluationStoppedError
        if self._monotonic() > self._deadline:
            raise PromqlError(
                f"The evaluation was given up after {self._limits.seconds:g} s: name more labels, a shorter range or a "
                "longer step."
            )

    def _require(self, n_samples: int, verb: str) -> None:
        if n_samples > self._limits.max_samples:
            raise PromqlError(
                f"The expression {verb} more than {self._limits.max_samples:,} samples: name more labels, a shorter "
                "range or a longer step."
            )
