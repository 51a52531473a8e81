"""The face of a learning method for tables: it tunes itself on rows held out, learns, answers, and is written down."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from core.arrays import AnyArray, FloatArray

Files = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to learn from or to be judged on.

    Attributes:
        matrix: Shape (n, columns), as `Encoding.matrix` makes it.
        target: Shape (n,): the number to learn, the position of the class, or zeros where nothing is to be learnt.
        group: Group of each row as a code, shape (n,); each row its own where there are none.
    """

    matrix: FloatArray
    target: FloatArray
    group: AnyArray

    def take(self, rows: AnyArray) -> "Rows":
        """Keep some rows."""
        return Rows(self.matrix[rows], self.target[rows], self.group[rows])

    def __len__(self) -> int:
        return len(self.target)


class TableLearner(ABC):
    """One method.

    Args:
        n_levels: Per column of the matrix how many levels it has, 0 for a number.
        n_classes: How many classes there are; 0 for a regression.
        parameters: What the settings say of the method; `defaults` names what may be said.
    """

    name: ClassVar[str]
    defaults: ClassVar[Mapping[str, Any]]
    is_fast: ClassVar[bool] = False  # whether one row takes microseconds
    booster: Any = None  # the `lightgbm.Booster` that answers, if one does

    def __init__(self, n_levels: tuple[int, ...], n_classes: int, parameters: Mapping[str, Any]) -> None:
        self.n_levels = n_levels
        self.n_classes = n_classes
        self.parameters = {**self.defaults, **{k: v for k, v in parameters.items() if k in self.defaults}}
        self.tuned: dict[str, float] = {}  # what was settled on rows held out

    @abstractmethod
    def tune(self, learn: Rows, judge: Rows, *, seed: int) -> None:
        """Learn from some rows, and settle on others how much to learn."""

    @abstractmethod
    def learn(self, rows: Rows, *, seed: int) -> None:
        """Learn, as much as was settled."""

    @abstractmethod
    def answer(self, matrix: FloatArray) -> FloatArray:
        """Answer rows: numbers of shape (n,), or probabilities of shape (n, n_classes)."""

    @abstractmethod
    def dump(self) -> tuple[dict[str, AnyArray], Files]:
        """Write down what was learnt."""

    @abstractmethod
    def restore(self, arrays: Mapping[str, AnyArray], files: Files) -> None:
        """Take up what `dump` wrote.

        Raises:
            ArtifactError, KeyError, ValueError: It does not hold together.
        """
