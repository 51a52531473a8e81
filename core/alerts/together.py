"""One decision about several alerts or silences: about all of them, or about none."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from core.errors import CoreError


class NoneChangedError(CoreError):
    """Some of several objects refused a decision, so that it was made about none of them."""

    def __init__(self, refusals: Sequence["Refusal"], n_all: int) -> None:
        """Say what each of them says.

        Args:
            refusals: Why the objects refuse; at least one.
            n_all: The number of all objects.
        """
        super().__init__(
            "\n".join((f"None of {n_all} was changed.", *(f"{each.name}: {each.error}" for each in refusals)))
        )
        self.exit_code = refusals[0].error.exit_code


@dataclass(slots=True)
class Refusal:
    """What keeps a decision from being made about one object."""

    name: str
    error: CoreError


@dataclass(slots=True)
class _Named:
    name: str


class Faults:
    """What keeps a decision from being made about every object; collected, so that all of it is told at once."""

    def __init__(self) -> None:
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
            raise self._refusals[0].error if self._n_all == 1 else NoneChangedError(self._refusals, self._n_all)
