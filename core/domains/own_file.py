"""A user's own file in a domain: the request, the preparation for training, and the evaluation of a version."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from core.domains.domain import Domain

if TYPE_CHECKING:
    import pandas as pd

    from core.arrays import AnyArray, FloatArray
    from core.models.estimated_attainment import EstimatedAttainment
    from core.models.interface import Model
    from core.models.outcomes import Outcomes
    from core.models.scores import Metrics
    from core.quality import CheckSet
    from core.tables import ReadingRules, Table, TableSignature, Task
    from core.tables.split import Split


@dataclass(frozen=True, slots=True)
class FileRequest:
    """A request to train on a table.

    Attributes:
        model: The name to register the model under.
        target: The column to predict, if named.
        task: The kind of prediction, if given.
        group: Rows of one group are held out together.
        time: The latest rows are held out.
        keep: Columns to learn from although they name rows.
        drop_missing_target: Leave out rows without a target.
        unquoted: Columns, or patterns of names, of which no note and no reason quotes a cell; a table that is read
            already knows its own.
        algorithm: The algorithm.
        parameters: Handed to the algorithm.
        test_share: Share of the rows to hold out.
        split_seed: The seed of the split.
    """

    model: str
    target: str | None
    task: "Task | None"
    group: str | None
    time: str | None
    algorithm: str
    parameters: Mapping[str, Any]
    test_share: float
    split_seed: int
    keep: tuple[str, ...] = ()
    drop_missing_target: bool = False
    unquoted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TestedElsewhere:
    """The test of a model whose rows are on the workers of a cluster.

    Attributes:
        metrics: On the rows tested, each with an interval if possible.
        slices: Of the sample's rows held out.
        outcomes: The answers to the sample's rows held out.
        n_tested: How many rows were tested.
    """

    metrics: "Metrics"
    slices: "dict[str, Metrics]"
    outcomes: "Outcomes"
    n_tested: int


class RowsElsewhere(Protocol):
    """Rows that stay on the workers of a cluster."""

    @property
    def n_rows(self) -> int:
        """How many there are."""

    @property
    def n_in_files(self) -> int:
        """How many there are with those that are left out without a target."""

    def test(self, *, seed: int) -> TestedElsewhere:
        """Choose a method, test it, and train it on all rows."""


@dataclass(frozen=True, slots=True)
class PreparedTraining:
    """A table prepared for training.

    Attributes:
        model: The model to train.
        signature: Its inputs and outputs.
        frame: The rows, in the model's layout.
        split: The training rows and the rows held out.
        checks: The checks on the rows.
        notes: Notes for the user, one sentence each.
        elsewhere: The rows, where they are on the workers of a cluster; the frame is then a sample of them.
        copies: What is said of rows that occur again among others; "" if there are none.
    """

    model: "TrainableModel"
    signature: "TableSignature"
    frame: "pd.DataFrame"
    split: "Split"
    checks: "CheckSet"
    notes: tuple[str, ...]
    elsewhere: RowsElsewhere | None = None
    copies: str = ""


@dataclass(frozen=True, slots=True)
class Unfit:
    """A domain does not train this model on this table; the next one may.

    Attributes:
        note: The reason, if the user must know it.
        target: The column the model would have predicted, for the domain that trains it instead.
    """

    note: str = ""
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A table prepared for the evaluation of a version.

    Attributes:
        model: The version's model.
        signature: Its inputs; None if unrecorded.
        table: The table.
        frame: Its rows, in the model's layout.
    """

    model: "TrainableModel"
    signature: "TableSignature | None"
    table: "Table"
    frame: "pd.DataFrame"


@dataclass(frozen=True, slots=True)
class CrossValidated:
    """How a method predicted every row of a table by models that did not learn from it.

    Attributes:
        metrics: On all rows, each with an interval if possible.
        slices: On each level of the categories with few levels.
        n_learned: How many rows these models learned from, on average.
        method: How the rows were dealt, in words.
        outcomes: The answers to all rows, each by a model that did not learn from it.
    """

    metrics: "Metrics"
    slices: "dict[str, Metrics]"
    n_learned: int
    method: str
    outcomes: "Outcomes"


class FileDomain(Domain, Protocol):
    """A domain that trains on a user's own file."""

    def prepare(self, table: "Table", request: FileRequest) -> PreparedTraining | Unfit:
        """Prepare a table for training.

        Raises:
            TableError: The table belongs to this domain, but cannot be used.
        """

    def to_judge(
        self,
        model: "Model",
        signature: "TableSignature | None",
        data: Path,
        rules: "ReadingRules",
        *,
        needs_target: bool = True,
    ) -> Judged | None:
        """Prepare a file for the evaluation of a model; None for a model of another domain.

        Args:
            model: The model.
            signature: Its inputs.
            data: The file.
            rules: How its columns are to be read.
            needs_target: Whether a file without the target is refused.
        Raises:
            TableError: The file cannot be used.
        """


class TrainableModel(Protocol):
    """A model and the signature of the frames it learns from."""

    signature: "TableSignature | None"

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about how the model is trained on this machine, one sentence each."""

    def fit(self, panel: "pd.DataFrame", *, seed: int) -> None:
        """Learn."""

    def refit(self, panel: "pd.DataFrame", *, seed: int) -> None:
        """Learn from other rows, usually more, with the method that `fit` chose."""

    def why_not_continued(self) -> str | None:
        """Say why it cannot learn on from rows that are new to it; None if it can."""

    def update(self, panel: "pd.DataFrame", *, seed: int) -> None:
        """Learn on from new rows, from where the training ended."""

    def cross_validate(self, frame: "pd.DataFrame", *, seed: int) -> CrossValidated | None:
        """Learn from all rows of a small table, and measure on all of them; None where rows are to be held out."""

    def judge(self, frame: "pd.DataFrame") -> "Metrics":
        """Measure on rows with the target, each metric with an interval if possible."""

    def losses(self, frame: "pd.DataFrame") -> "tuple[FloatArray, AnyArray]":
        """Return the loss of each row that is judged, on the scale that is learned, and the group of each."""

    def judge_slices(self, frame: "pd.DataFrame") -> "dict[str, Metrics]":
        """Measure on each level of the categories with few levels."""

    def outcomes(self, frame: "pd.DataFrame") -> "Outcomes":
        """Answer rows, with or without the target, and find the truth where it is known."""

    def estimated_attainment(self, frame: "pd.DataFrame", *, n_tables: int, seed: int) -> "EstimatedAttainment | str":
        """Estimate which share of its gain from unlimited rows the method reaches; or say why there is no estimate."""

    def feature_importance(self) -> dict[str, float]:
        """Return the importance of each column, as shares."""

    def report(self) -> dict[str, Any]:
        """Return the candidates, the one that ships, and why."""

    def save(self, folder: Path) -> list[Path]:
        """Write the model."""
