"""A user's own file in a domain: what is asked of it, what is learned from it, and how a version is judged on one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from core.domains.domain import Domain

if TYPE_CHECKING:
    import pandas as pd

    from core.models.interface import Model
    from core.models.scores import Metrics
    from core.quality import CheckSet
    from core.tables import Table, TableSignature, Task
    from core.tables.split import Split


@dataclass(frozen=True, slots=True)
class FileRequest:
    """What to train on a table.

    Attributes:
        model: The name that it is to be registered under.
        target: The column to learn, if one is named.
        task: What to do with it, if that is said.
        group: Rows of one group are held out together.
        time: The latest rows are held out.
        algorithm: How to train.
        parameters: Handed to the algorithm.
        test_share: Share of the rows to hold out.
        split_seed: Of the draw of those rows.
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


@dataclass(frozen=True, slots=True)
class PreparedTraining:
    """A table made ready to be learned from.

    Attributes:
        model: What learns.
        signature: What it reads and answers.
        frame: The rows, as it reads them.
        split: Which of them are learned from, and which are held out.
        checks: What the rows are held to first.
        notes: What whoever asked for it must know, a sentence each.
    """

    model: "TrainableModel"
    signature: "TableSignature"
    frame: "pd.DataFrame"
    split: "Split"
    checks: "CheckSet"
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unfit:
    """A domain does not train this model on this table; the next one may.

    Attributes:
        note: Why, where whoever asked for it must know.
        target: The column that the model would have learned, for whoever trains it instead.
    """

    note: str = ""
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A table made ready to judge a version by.

    Attributes:
        model: The version's model.
        signature: What it reads; None where nobody wrote that down.
        table: The table.
        frame: Its rows, as the model reads them.
    """

    model: "TrainableModel"
    signature: "TableSignature | None"
    table: "Table"
    frame: "pd.DataFrame"


class FileDomain(Domain, Protocol):
    """A domain that trains on a user's own file."""

    def prepare(self, table: "Table", request: FileRequest) -> PreparedTraining | Unfit:
        """Make a table ready to be learned from.

        Raises:
            TableError: The table is of this domain, but cannot be used.
        """

    def to_judge(self, model: "Model", signature: "TableSignature | None", data: Path) -> Judged | None:
        """Make a file ready to judge a model by; None for a model that is not of this domain.

        Raises:
            TableError: The file cannot be used.
        """


class TrainableModel(Protocol):
    """A model and the signature of the frames it learns from."""

    signature: "TableSignature | None"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What whoever trains it must know of the way it is trained on this machine, a sentence each."""

    def fit(self, panel: "pd.DataFrame", *, seed: int) -> None:
        """Learn."""

    def judge(self, frame: "pd.DataFrame", *, seed: int) -> "Metrics":
        """Measure on rows with the target, each metric with an interval where one can be had."""

    def judge_slices(self, frame: "pd.DataFrame", *, seed: int) -> "dict[str, Metrics]":
        """Measure on each level of the categories with few levels."""

    def feature_importance(self) -> dict[str, float]:
        """Say how much each column matters, in shares."""

    def report(self) -> dict[str, Any]:
        """Say what was tried, what ships, and why."""

    def save(self, folder: Path) -> list[Path]:
        """Write the model down."""
