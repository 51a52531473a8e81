"""The one interface of every model: fit, update, predict, evaluate, save, explain."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
import pandas as pd

from core.arrays import AnyArray, BoolArray, FloatArray
from core.models.errors import NoSuchMemberError, NotReweighableError, UnknownAlgorithmError
from core.models.scoring.scorer import RowScorer
from core.plugins import load_object

if TYPE_CHECKING:
    from core.models.anatomy import Anatomy
    from core.models.reweighing import Reweighing


@runtime_checkable
class PanelLike(Protocol):
    """The input of training: a table, and, for synthetic data only, the truth about its rows."""

    @property
    def frame(self) -> pd.DataFrame:
        """The table, with the columns of its domain."""

    @property
    def truth(self) -> pd.DataFrame | None:
        """The truth, known only to the generator, with the index of `frame`; None for real data."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows, with the truth about them if it is known."""

    frame: pd.DataFrame
    truth: pd.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class Attainment:
    """A model's headline score compared with the optimum.

    Attributes:
        metric: The metric.
        value: The model's score on the rows' own labels.
        optimum: The best attainable score on these rows.
        attainment: Share of the optimum; free of label noise where the law of the labels is known.
        low: Lower end of its 95 % interval over groups.
        high: Upper end.
        gini: For an AUC, the stricter share measured from 0.5; else the attainment.
        leak: On the same labels the score beats the best possible answer by more than luck does in one panel of a
            thousand: information the model must not have has leaked. Luck in the labels mostly favours both alike.
        n_rows: Rows evaluated.
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

    def __post_init__(self) -> None:
        """Turn numpy's numbers into Python's, since JSON can write only these.

        Raises:
            TypeError: A field holds something other than a number.
        """
        for name in ("value", "optimum", "attainment", "low", "high", "gini"):
            object.__setattr__(self, name, _plain(name, getattr(self, name)))
        object.__setattr__(self, "leak", bool(self.leak))
        object.__setattr__(self, "n_rows", int(_plain("n_rows", self.n_rows)))


class Model(ABC):
    """A named model that keeps learning.

    Args:
        algorithm: One of `algorithms`; "auto" tries the suitable candidates and ships the winner on groups held out.
        parameters: Passed to the algorithm.
    Raises:
        UnknownAlgorithmError: This model does not offer the algorithm.
    """

    name: ClassVar[str]
    task: ClassVar[str]  # "regression", "classification" or "detection"
    label: ClassVar[str]  # the column to predict; detection uses it for evaluation only
    algorithms: ClassVar[tuple[str, ...]]
    continues: ClassVar[bool] = True  # False: each update starts again, and the last one alone counts
    variants: ClassVar[Mapping[str, str]] = {}  # algorithms that a subclass trains, with its place, `module:class`

    def __init__(self, algorithm: str = "auto", parameters: Mapping[str, Any] | None = None) -> None:
        if algorithm not in self.algorithms:
            raise UnknownAlgorithmError(self.name, algorithm, self.algorithms)
        if not isinstance(self, kind := self.trained_by(algorithm)):
            raise TypeError(f"{algorithm} is trained by {kind.__name__}, not by {type(self).__name__}")
        self.algorithm = algorithm
        self.parameters = dict(parameters or {})
        self.n_updates = 0
        self.n_rows = 0

    @classmethod
    def trained_by(cls, algorithm: str) -> "type[Model]":
        """Return the class that trains this model with an algorithm: this one, or a variant."""
        place = cls.variants.get(algorithm)
        if place is None:
            return cls
        kind: type[Model] = load_object(place)
        return kind

    @classmethod
    def check_parameters(cls, algorithm: str, parameters: Mapping[str, Any]) -> None:
        """Refuse parameters that the model could not be trained with, before a session is asked for; here, make one.

        Raises:
            CoreError: A parameter is unknown, or has a value that the algorithm cannot use.
        """
        cls(algorithm, parameters)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about how the model is trained on this machine, one sentence each."""
        return ()

    def fit(self, panel: PanelLike | pd.DataFrame, *, seed: int) -> None:
        """Train from scratch on a panel."""
        type(self).__init__(self, self.algorithm, self.parameters)
        self.update(panel, seed=seed)

    @abstractmethod
    def update(self, panel: PanelLike | pd.DataFrame, *, seed: int) -> None:
        """Continue training on a new panel, at a cost that does not grow with the number of panels."""

    def why_not_continued(self) -> str | None:
        """Say why `update` cannot continue from what was learned; None if it can."""
        return None if self.continues else f"each training of {self.name} starts again"

    def learns_with(self, others: Mapping[str, "Model"]) -> str | None:
        """Name the model that this model shares its training with; `update_with` then replaces `update`.

        Args:
            others: The models trained on the same panels, by name.
        """
        return None

    def update_with(
        self, other: "Model", learn_other: Callable[[], None], panel: PanelLike | pd.DataFrame, *, seed: int
    ) -> None:
        """Continue training on a panel together with the model named by `learns_with`.

        Args:
            other: The other model.
            learn_other: Trains the other model on the panel; to be called once.
            panel: A panel that is new to both.
            seed: The random seed of this model.
        """
        learn_other()
        self.update(panel, seed=seed)

    def reweigh(self, frame: pd.DataFrame) -> "Reweighing":
        """Let the weights of an ensemble follow the outcomes of rows, in their order; the members stay as they are.

        Args:
            frame: Rows with their labels, which no member has learned from.
        Raises:
            NotReweighableError: The model is no weighted ensemble.
        """
        raise NotReweighableError(self.name)

    def member_names(self) -> tuple[str, ...]:
        """Name the members that `member` takes out; none unless the model is an ensemble."""
        return ()

    def member(self, name: str) -> "Model":
        """Return a member of an ensemble as a model of its own, which answers as the member does inside; a copy.

        Args:
            name: One of `member_names()`.
        Raises:
            NoSuchMemberError: It has no such member, or one of another target.
        """
        raise NoSuchMemberError(self.name, name, self.member_names())

    def actual(self, frame: pd.DataFrame) -> FloatArray | None:
        """Return the label of each row as a number, NaN where it is unknown, shape (n,); None if no row has one."""
        if self.label not in frame:
            return None
        return pd.to_numeric(frame[self.label], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)

    @abstractmethod
    def predict(self, frame: pd.DataFrame) -> AnyArray:
        """Predict each row: basis points, a probability, or an anomaly score that is higher for stranger rows."""

    @abstractmethod
    def evaluate(self, panel: PanelLike | pd.DataFrame) -> dict[str, float]:
        """Evaluate the model on a panel it was not trained on.

        Returns:
            The model's metrics, including `loss`; if the truth is known also the `optimum` of its headline
            metric, and `attainment`, the share of that optimum.
        """

    def judged_rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Select the rows that the standard scores judge: those with a label."""
        return table[table[self.label].notna()]

    def expected_answers(self, panel: PanelLike, rows: pd.DataFrame) -> AnyArray | None:
        """Return the best possible answer to each row, on the scale of `predict`, from the truth of a panel.

        Args:
            panel: A panel with the truth.
            rows: Some of its rows.
        Returns:
            None where it is not known.
        """
        return None

    def decide(self, answer: AnyArray) -> BoolArray | None:
        """Say which rows are declared events, from the answers of `predict`; None if the model does not decide.

        For probabilities the threshold is one half, as in scikit-learn: a rare event is then hardly ever declared.
        """
        return np.asarray(answer >= 0.5) if self.task == "classification" else None

    def attainment(self, panel: PanelLike, *, seed: int, same_draw: bool = False) -> Attainment | None:
        """Compare the headline score with the best attainable score, with an interval over groups.

        Args:
            panel: A panel with the truth.
            seed: The seed of an interval that is resampled; one that is computed ignores it.
            same_draw: The panel is part of a training draw, so the draw's common shocks are known to the model.
        Returns:
            None for a model without a known optimum.
        """
        return None

    def row_scorer(self) -> RowScorer | None:
        """Return a scorer for single rows that needs no table and gives the same figures as `predict`.

        Returns:
            None if there is no compiled form: requests are then answered through `predict`.
        Raises:
            UnsupportedSpaceError: The model reads a column without a compiled form.
        """
        return None

    def anatomy(self) -> "Anatomy | None":
        """Return what the answers are made of, for exact explanations; None if there is only `predict` to ask."""
        return None

    def as_strangers(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Arrange the rows of a request so that `predict` scores each row independently."""
        return frame

    def columns_read(self, known: Sequence[str]) -> tuple[str, ...]:
        """Name the columns of a table from which the model answers, as far as it says.

        Args:
            known: The columns of the table.
        """
        return tuple(self.feature_importance())

    @abstractmethod
    def feature_importance(self) -> dict[str, float]:
        """Return each column's share in the model's answers, largest first, summing to 1."""

    @abstractmethod
    def report(self) -> dict[str, Any]:
        """Return the candidates with their figures, which candidate ships, and why; plain JSON values."""

    @abstractmethod
    def save(self, folder: Path) -> list[Path]:
        """Write the model with all it needs to continue training; the same model always gives the same bytes.

        Nothing is written outside the folder, no link is followed, and nothing is replaced but an earlier save;
        `core.models.persistence.archive.write_model` keeps to that.

        Returns:
            Every path written.
        Raises:
            ArtifactError: A name is taken by something that no save wrote; nothing was written.
        """

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read a model; continuing from it gives the same bytes as continuing from the saved original.

        Raises:
            ArtifactError: The artifact is damaged, tampered with, or not of this model.
        """


def _plain(name: str, value: object) -> float:
    if not isinstance(value, Real):  # numpy's numbers are Real, too
        raise TypeError(f"Attainment.{name} must be a number, but is {value!r}")
    return float(value)


def table_of(panel: PanelLike | pd.DataFrame) -> pd.DataFrame:
    """Return the table of a panel, or the table itself."""
    return panel if isinstance(panel, pd.DataFrame) else panel.frame


def truth_of(panel: PanelLike | pd.DataFrame) -> pd.DataFrame | None:
    """Return the truth of a panel, if it has one."""
    return None if isinstance(panel, pd.DataFrame) else panel.truth
