"""What can be trained on a file: anything that learns from a frame, is judged on another, and can be saved."""

from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from core.domains.table.models.scores import Metrics
from core.tables.signature import Signature


class TrainableModel(Protocol):
    """A model and the signature of the frames it learns from."""

    signature: Signature | None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What whoever trains it must know of the way it is trained on this machine, a sentence each."""

    def fit(self, panel: pd.DataFrame, *, seed: int) -> None:
        """Learn."""

    def judge(self, frame: pd.DataFrame, *, seed: int) -> Metrics:
        """Measure on rows with the target, each metric with an interval where one can be had."""

    def judge_slices(self, frame: pd.DataFrame, *, seed: int) -> dict[str, Metrics]:
        """Measure on each level of the categories with few levels."""

    def feature_importance(self) -> dict[str, float]:
        """Say how much each column matters, in shares."""

    def report(self) -> dict[str, Any]:
        """Say what was tried, what ships, and why."""

    def save(self, folder: Path) -> list[Path]:
        """Write the model down."""
