"""One decision about several alerts or silences: about all of them, or about none."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from core.errors import CoreError
from core.state import StaleRevisionError


class NoneChangedError(CoreError):
    """Some of several objects refused a decision, so that it was made about none of them.

    Attributes:
        reasons: Why each of them refuses.
    """

    def __init__(self, noun: str, done: str, refusals: Sequence["Refusal"], n_all: int) -> None:
        """Say why each of them refuses.

        Args:
            noun: What each object is.
            done: The decision, as a participle.
            refusals: Why the objects refuse; at least one.
            n_all: The number of all objects.
        """
        self.reasons = [str(each) for each in refusals]
        first = f"No {noun} was {done}, because {len(refusals)} of {n_all} could not be {done}."
        is_stale = any(isinstance(each.error, StaleRevisionError) for each in refusals)
        super().__init__("\n".join((first, *self.reasons, *(["Review and decide again."] if is_stale else []))))
        self.exit_code = refusals[0].error.exit_code


@dataclass(slots=True)
class Refusal:
    """What keeps a decision from being made about one object."""

    name: str
    error: CoreError

    def __str__(self) -> str:
        if isinstance(self.error, StaleRevisionError):
            return f"{self.error.news}."
        return f"{self.name}: {self.error}"


@dataclass(slots=True)
class _Named:
    name: str


class Faults:
    """What keeps a decision from being made about every object; collected, so that all of it is told at once."""

    def __init__(self, noun: str, done: str) -> None:
        """Prepare.

        Args:
            noun: What each object is: "alert".
            done: The decision, as a participle: "changed".
        """
        self._noun = noun
        self._done = done
        self._refusals: list[Refusal] = []
        self._n_all = 0

    @contextmanager
    def of(self, name: str) -> Iterator[_Named]:
        """Look at one object; if it refuses, go on with the next.

        Args:
            name: What to call it, until its full name is known: set `name` of what is returned.
        """
        self._n_all += 1
        named = _Named(name)
        try:
            yield named
        except CoreError as error:
            self._refusals.append(Refusal(named.name, error))

    def refuse(self) -> None:
        """Raise if an object refuses.

        Raises:
            CoreError: The only object refuses.
            NoneChangedError: One of several refuses.
        """
        if self._refusals:
            if self._n_all == 1:
                raise self._refusals[0].error
            raise NoneChangedError(self._noun, self._done, self._refusals, self._n_all)
