"""Whether the ensemble of a table ships where it is better, and how often where it is not, by simulation.

The verdict is the model's own. Rows that it has never seen, many enough to be the truth, say whether it was right.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from core.domains.table.models import TableModel, folds
from core.models.learners.table_ensemble import TableEnsemble
from core.models.scores import row_losses
from core.tables import ColumnKind, ColumnSignature, TableSignature, Task
from core.tables.task import outputs_of
from tests.truth import least_expected, most_expected

MEMBERS = ("linear", "lightgbm")
N_FRESH = 10_000


@pytest.fixture(autouse=True)
def one_repeat(monkeypatch):
    """Deal the folds once: cheaper, and harder on the interval than the mean of several deals."""
    monkeypatch.setattr(folds, "_n_repeats", lambda n_rows, cost: 1)


@dataclass(frozen=True)
class Law:
    """A sum over columns, which a line finds, and an interaction of two of them, which trees find.

    Attributes:
        n_rows: Of a table.
        n_columns: The more, the worse trees find the sum.
        interaction: Its size; 0 leaves the line the best model.
    """

    n_rows: int
    n_columns: int
    interaction: float

    @property
    def names(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(f"x{k}" for k in range(self.n_columns))

    @property
    def signature(self) -> TableSignature:
        """The signature of its tables."""
        columns = tuple(
            ColumnSignature(name=name, kind=ColumnKind.NUMBER, allows_missing=False, least=-6.0, most=6.0)
            for name in self.names
        )
        outputs = outputs_of(Task.REGRESSION, "y", ())
        return TableSignature(task=Task.REGRESSION, target="y", classes=(), columns=columns, outputs=outputs)

    def draw(self, n: int, seed: int) -> pd.DataFrame:
        """Draw rows."""
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(n, self.n_columns))
        y = 0.25 * x.sum(axis=1) + self.interaction * np.sign(x[:, 0] * x[:, 1]) + 0.5 * rng.normal(size=n)
        return pd.DataFrame(x, columns=list(self.names)).assign(y=y)


BOTH = Law(n_rows=800, n_columns=30, interaction=1.0)
LINE = Law(n_rows=300, n_columns=8, interaction=0.0)


def shipped(law: Law, seed: int) -> tuple[bool, float]:
    """Train, and return whether the ensemble ships and by which share it beats the better member on fresh rows."""
    model = TableModel.described(law.signature, algorithm="stacking", parameters={"members": ", ".join(MEMBERS)})
    model.fit(law.draw(law.n_rows, seed), seed=seed)
    if not isinstance(model.learner, TableEnsemble):
        return False, 0.0
    fresh = law.draw(N_FRESH, 1_000_000 + seed)
    matrix, target = model.matrix(fresh), (fresh["y"].to_numpy() - model.scale[0]) / model.scale[1]
    alone = [float(row_losses(target, member.answer(matrix)).mean()) for member in model.learner.members.values()]
    return True, 1.0 - float(row_losses(target, model.learner.answer(matrix)).mean()) / min(alone)


@pytest.mark.truth
def test_an_ensemble_that_is_better_ships_and_is_better_on_fresh_rows(truth):
    n = 2 * truth.scale
    found = [shipped(BOTH, seed) for seed in range(n)]

    truth.at_least(sum(ships for ships, _ in found) / n, least_expected(0.9, n), n=n)
    truth.at_least(min(gain for ships, gain in found if ships), 0.0, n=n)


@pytest.mark.truth
def test_an_ensemble_that_is_not_better_hardly_ever_ships(truth):
    n = 6 * truth.scale
    found = [shipped(LINE, seed) for seed in range(n)]

    truth.at_most(sum(ships and gain <= 0.0 for ships, gain in found) / n, most_expected(0.025, n), n=n)
