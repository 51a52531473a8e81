"""The one interface of every model: learn, go on learning, answer, be judged, be saved, explain itself."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import pandas as pd

from core.arrays import AnyArray
from core.models.errors import UnknownAlgorithmError
from core.models.scoring.scorer import RowScorer


@runtime_checkable
class PanelLike(Protocol):
    """What a model learns from: a table, and, for synthetic data only, the truth about its rows."""

    @property
    def frame(self) -> pd.DataFrame:
        """The table, with the columns of its domain."""

    @property
    def truth(self) -> pd.DataFrame | None:
        """What only the generator knows, with the index of `frame`; None for real data."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Some rows with the truth about them, when it is known."""

    frame: pd.DataFrame
    truth: pd.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class Attainment:
    """A model's headline score beside the optimum.

    Attributes:
        metric: What is measured.
        value: The model's score on the rows' own labels.
        optimum: The best attainable on these rows.
        attainment: Share of the optimum reached; exact in the labels where their law is known.
        low: Lower end of its 95 % interval over groups.
        high: Upper end.
        gini: For an AUC, the stricter share counted from one half; else the attainment.
        leak: On the same labels the score beats the best possible answer by more than its interval: something the
            model must not know has got in. Luck in the labels favours both alike, so it raises no alarm.
        n_rows: Rows judged.
    """

    metric: str
    value: float
    optimum: float
    attainment: float
    low: float
    high: float
    gini: float
    leak: bool
    n_rows: int


class Model(ABC):
    """A named model that keeps learning.

    Args:
        algorithm: One of `algorithms`; "auto" tries what suits the model and ships what wins on groups held out.
        parameters: Handed to the algorithm.
    Raises:
        UnknownAlgorithmError: This model cannot be trained that way.
    """

    name: ClassVar[str]
    task: ClassVar[str]  # "regression", "classification" or "detection"
    label: ClassVar[str]  # the column it learns; detection reads it only to be judged
    algorithms: ClassVar[tuple[str, ...]]

    def __init__(self, algorithm: str = "auto", parameters: Mapping[str, Any] | None = None) -> None:
        if algorithm not in self.algorithms:
            raise UnknownAlgorithmError(self.name, algorithm, self.algorithms)
        self.algorithm = algorithm
        self.parameters = dict(parameters or {})
        self.n_updates = 0
        self.n_rows = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What whoever trains it must know of the way it is trained on this machine, a sentence each."""
        return ()

    def fit(self, panel: PanelLike | pd.DataFrame, *, seed: int) -> None:
        """Forget everything, then learn from a panel."""
        type(self).__init__(self, self.algorithm, self.parameters)
        self.update(panel, seed=seed)

    @abstractmethod
    def update(self, panel: PanelLike | pd.DataFrame, *, seed: int) -> None:
        """Learn from a panel not seen before, on top of what is known, at a cost that does not grow with it."""

    def learns_with(self, others: Mapping[str, "Model"]) -> str | None:
        """Name the model beside this one that does part of its learning; with it, `update_with` takes `update`'s place.

        Args:
            others: The models that learn from the same panels, by name.
        """
        return None

    def update_with(
        self, other: "Model", learn_other: Callable[[], None], panel: PanelLike | pd.DataFrame, *, seed: int
    ) -> None:
        """Learn from a panel together with the model that `learns_with` named.

        Args:
            other: That model.
            learn_other: Has it learn from the panel; to be called once.
            panel: A panel that neither has seen.
            seed: Of everything this model draws.
        """
        learn_other()
        self.update(panel, seed=seed)

    @abstractmethod
    def predict(self, frame: pd.DataFrame) -> AnyArray:
        """Answer for each row: basis points, a probability, or a score that is higher the stranger the row is."""

    @abstractmethod
    def evaluate(self, panel: PanelLike | pd.DataFrame) -> dict[str, float]:
        """Judge the model on a panel it has not learned from.

        Returns:
            The model's metrics, `loss` among them; with the truth at hand also the known `optimum` of its headline
            metric, and `attainment`, the share of that optimum reached.
        """

    def attainment(self, panel: PanelLike, *, seed: int, same_draw: bool = False) -> Attainment | None:
        """Measure the headline score against the best attainable one, with an interval over groups.

        Args:
            panel: A panel with its truth.
            seed: Of the resampling.
            same_draw: The panel is part of a draw the model has learned from, so the draw's common shocks are known.
        Returns:
            None for a model whose optimum is not known.
        """
        return None

    def row_scorer(self) -> RowScorer | None:
        """Return what answers single rows without making a table of them, to the same figures as `predict`.

        Returns:
            None where there is no such form: requests are then answered through `predict`.
        Raises:
            UnsupportedSpaceError: The model reads something that has no such form.
        """
        return None

    def as_strangers(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Lay the rows of a request out so that `predict` judges each by itself, whatever table it expects."""
        return frame

    @abstractmethod
    def feature_importance(self) -> dict[str, float]:
        """Share of each of the table's columns in the model's answers, largest first, summing to 1."""

    @abstractmethod
    def report(self) -> dict[str, Any]:
        """Say what was tried, with figures, what ships, and why; plain JSON values."""

    @abstractmethod
    def save(self, folder: Path) -> list[Path]:
        """Write the model with all it needs to go on learning; the same model always gives the same bytes."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read a model back; going on from it gives the same bytes as going on from the one that was saved.

        Raises:
            ArtifactError: The artifact is damaged, tampered with, or not of this model.
        """


def table_of(panel: PanelLike | pd.DataFrame) -> pd.DataFrame:
    """Take the table out of a panel, or the table itself."""
    return panel if isinstance(panel, pd.DataFrame) else panel.frame


def truth_of(panel: PanelLike | pd.DataFrame) -> pd.DataFrame | None:
    """Take the truth out of a panel, if it has one."""
    return None if isinstance(panel, pd.DataFrame) else panel.truth
