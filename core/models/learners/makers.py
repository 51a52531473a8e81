"""Members of an ensemble as plain values: how an untrained one is made, and how a trained one comes back from a worker.

A learner travels as what it writes into an artifact: JSON values, arrays and files, from which `restore` continues to
the same bytes. Nothing is pickled.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.arrays import FloatArray
from core.executors.packing import PlainValue
from core.models.learners.algorithms import continuing
from core.models.learners.learner import ContinuingLearner, LearningColumns, LearningTask
from core.models.learners.samples import Matrices, Sample


@dataclass(frozen=True, slots=True)
class SentMatrixColumns:
    """The columns of the one matrix of a method that learns once, as far as it reads them."""

    tree_columns: tuple[str, ...]
    n_levels: tuple[int, ...]
    category_positions: list[int]


@dataclass(frozen=True, slots=True)
class SentColumns:
    """The columns of both matrices, as far as a learner reads them."""

    tree_columns: tuple[str, ...]
    n_levels: tuple[int, ...]
    category_positions: list[int]
    n_linear: int
    prior_sd: FloatArray
    linear_sources: tuple[tuple[str, ...], ...]
    directions: list[int]


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes an untrained member.

    Attributes:
        algorithm: Its algorithm.
        space: The columns.
        task: The kind of prediction.
        parameters: Those of the ensemble; a member takes its own.
    """

    algorithm: str
    space: LearningColumns
    task: LearningTask
    parameters: Mapping[str, Any]

    def __call__(self) -> ContinuingLearner:
        """Make one."""
        return continuing(self.algorithm)(self.space, self.task, self.parameters)

    def sent(self) -> PlainValue:
        """Return it as a plain value."""
        columns = {name: getattr(self.space, name) for name in SentColumns.__slots__}
        return {
            "algorithm": self.algorithm,
            "space": columns,
            "task": self.task,
            "parameters": dict(self.parameters),
        }

    @classmethod
    def taken(cls, plain: PlainValue) -> "Maker":
        """Make the maker that `sent` described."""
        return cls(plain["algorithm"], SentColumns(**plain["space"]), plain["task"], plain["parameters"])


def sent_sample(sample: Sample) -> PlainValue:
    """Return training rows as a plain value."""
    return {
        "linear": sample.matrices.linear,
        "trees": sample.matrices.trees,
        "target": sample.target,
        "weight": sample.weight,
        "group": sample.group,
        "offset": sample.offset,
    }


def taken_sample(plain: PlainValue) -> Sample:
    """Return the training rows that `sent_sample` described."""
    matrices = Matrices(plain["linear"], plain["trees"])
    return Sample(matrices, plain["target"], plain["weight"], plain["group"], plain["offset"])


class TaughtMember:
    """A member that learns from rows on a worker; the task is its maker, and its state if it has learned before."""

    def __init__(self, shared: PlainValue) -> None:
        self._sample = taken_sample(shared["sample"])
        self._seed = int(shared["seed"])

    def do(self, task: PlainValue) -> PlainValue:
        """Learn; return the state."""
        member = Maker.taken(task["maker"])()
        if task["state"] is not None:
            state, arrays, files = task["state"]
            member.restore(state, arrays, dict(files))
        member.learn(self._sample, seed=self._seed)
        return member.dump()
