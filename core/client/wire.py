"""What a dialect can do: the operations of a model server, one attempt each."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from core.client.answers import Health, Metadata, Outcome, Prediction, VersionState, Which
from core.client.errors import NotSpokenError
from core.client.rows import RequestRows


class Wire(ABC):
    """A server, spoken to in one dialect. Every deadline is an instant of the client's clock."""

    name: str

    @abstractmethod
    def predict(self, which: Which, rows: RequestRows, request_id: str, key: str | None, deadline: float) -> Prediction:
        """Ask for predictions."""

    @abstractmethod
    def metadata(self, which: Which, deadline: float) -> Metadata:
        """Ask what a model reads and answers with."""

    @abstractmethod
    def versions(self, which: Which, deadline: float) -> list[VersionState]:
        """Ask which versions there are and whether they answer."""

    @abstractmethod
    def health(self, which: Which | None, deadline: float) -> Health:
        """Ask whether the server, or a model of it, is ready; an answer that says no is an answer."""

    def report(self, outcomes: Sequence[Outcome], deadline: float) -> int:
        """Report what turned out to be true; return how many were taken.

        Raises:
            NotSpokenError: The dialect has no outcomes.
        """
        raise NotSpokenError(f"The dialect {self.name} has no outcomes; report them in the dialect `rows`.")

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""
