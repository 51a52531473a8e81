"""The operations of a dialect, one attempt each."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from core.client.answers import Health, Metadata, Outcome, Prediction, Reported, VersionState, Which
from core.client.errors import NotSpokenError
from core.client.rows import RequestRows


class Wire(ABC):
    """A server and its dialect. Every deadline is an instant of the client's clock."""

    name: str

    @abstractmethod
    def predict(self, which: Which, rows: RequestRows, request_id: str, key: str | None, deadline: float) -> Prediction:
        """Request predictions."""

    @abstractmethod
    def metadata(self, which: Which, deadline: float) -> Metadata:
        """Request the inputs and outputs of a model."""

    @abstractmethod
    def versions(self, which: Which, deadline: float) -> list[VersionState]:
        """Request the versions and their states."""

    @abstractmethod
    def health(self, which: Which | None, deadline: float) -> Health:
        """Request the readiness of the server or of one model; "not ready" is an answer, not an error."""

    def report(self, outcomes: Sequence[Outcome], deadline: float) -> Reported:
        """Report outcomes; return the number accepted.

        Raises:
            NotSpokenError: The dialect has no outcomes.
        """
        raise NotSpokenError(f"The dialect {self.name} does not support outcomes; report them in the dialect `rows`.")

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""
