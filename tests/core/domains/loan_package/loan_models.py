"""The heavy part of the loans domain: its data, its checks and its model."""

import numpy as np
import pandas as pd

from core.models import Panel
from core.models.interface import Attainment, Model, table_of, truth_of
from core.models.learners.derived import DerivedColumns, Log
from core.models.learners.feature_space import Curve, Design, Levels
from core.models.persistence.archive import read_model, write_model
from core.models.supervised import SupervisedModel
from core.quality import Check, CheckSet
from core.quality.checks.completeness import coverage

GRADES = ("A", "B", "C")

LOAN_CHECKS = CheckSet(
    checks=(
        Check(
            "coverage",
            coverage(("amount", "rate", "grade")),
            ">=",
            lambda gates: gates.coverage_min,
            "%",
            blocking=True,
            dimension="completeness",
        ),
    ),
    row_names=("loan",),
)


def draw_loans(n_rows: int, seed: int, *, noise: float) -> Panel:
    """Draw loans, about three per borrower; `expected` is the predictable loss of each."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "loan": [f"{seed}-{number}" for number in range(n_rows)],
            "borrower": [f"{seed}-{number}" for number in random.integers(0, max(n_rows // 3, 2), n_rows)],
            "amount": np.exp(random.normal(3.0, 1.0, n_rows)),
            "rate": random.uniform(1.0, 9.0, n_rows),
            "grade": pd.Categorical.from_codes(random.integers(0, 3, n_rows), categories=list(GRADES)),
        }
    )
    expected = np.log(frame["amount"]) + 0.3 * frame["rate"] + 1.5 * frame["grade"].cat.codes
    frame["loss"] = expected + random.normal(0.0, noise, n_rows)
    return Panel(frame, pd.DataFrame({"expected": expected}))


class LossModel(SupervisedModel):
    """The loss of a loan."""

    name = "loss"
    task = "regression"
    label = "loss"
    link = "regression"
    unit = "kEUR"
    keys = ("borrower",)
    groups = "borrowers"
    design = Design(
        terms=(Curve("ln_amount"), Curve("rate"), Levels("grade")),
        tree_numbers=("amount", "rate"),
        tree_categories=("grade",),
        derived=DerivedColumns({"ln_amount": Log("amount", 0.01)}),
    )

    def rows(self, table):
        return table

    def target(self, rows):
        return rows[self.label].to_numpy(dtype=np.float64)

    def answer(self, score):
        return score

    def evaluate(self, panel):
        table, truth = table_of(panel), truth_of(panel)
        actual = self.target(table)
        loss = float(np.mean(np.square(actual - self.predict(table))))
        metrics = {"loss": loss, "r2": 1.0 - loss / float(np.var(actual))}
        if truth is not None:
            metrics["optimum"] = float(1.0 - np.mean(np.square(actual - truth["expected"])) / np.var(actual))
            metrics["attainment"] = metrics["r2"] / metrics["optimum"]
        return metrics

    def attainment(self, panel, *, seed, same_draw=False):
        figures = self.evaluate(panel)
        share = figures["attainment"]
        return Attainment(
            "r2", figures["r2"], figures["optimum"], share, share - 0.1, share + 0.1, share, False, len(panel.frame)
        )


class MedianModel(Model):
    """A model that a package offers on its own: with its own kind and its own algorithm."""

    name = "median"
    task = "regression"
    label = "loss"
    algorithms = ("auto", "running_median")

    def __init__(self, algorithm="auto", parameters=None):
        super().__init__(algorithm, parameters)
        self.medians = []

    def update(self, panel, *, seed):
        self.medians.append(float(table_of(panel)[self.label].median()))
        self.n_updates += 1

    def predict(self, frame):
        return np.full(len(frame), np.mean(self.medians))

    def evaluate(self, panel):
        table = table_of(panel)
        return {"loss": float(np.mean(np.square(table[self.label] - self.predict(table))))}

    def feature_importance(self):
        return {}

    def report(self):
        return {"model": self.name, "algorithm": self.algorithm}

    def save(self, folder):
        return write_model(folder, {"model": self.name, "algorithm": self.algorithm, "medians": self.medians}, {})

    @classmethod
    def load(cls, folder):
        header, _ = read_model(folder)
        model = cls(header["algorithm"])
        model.medians = list(header["medians"])
        model.n_updates = len(model.medians)
        return model
