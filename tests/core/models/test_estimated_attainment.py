"""The attainment of methods on tables whose law nobody tells them, held against the law."""

import numpy as np
import pandas as pd
import pytest

from core.domains.table.models import TableModel
from core.models import estimated_attainment
from core.models.estimated_attainment import EstimatedAttainment
from core.tables import ColumnKind, ColumnSignature, TableSignature, Task
from core.tables.task import outputs_of
from tests.truth import least_expected

NAMES = tuple(f"x{number}" for number in range(6))
COLUMNS = tuple(
    ColumnSignature(name=name, kind=ColumnKind.NUMBER, allows_missing=False, least=0.0, most=1.0) for name in NAMES
)
LAWS = {
    "a line": lambda x: 6 * x[:, 0] + 4 * x[:, 1] + 2 * x[:, 2],
    "curves": lambda x: 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * np.square(x[:, 2] - 0.5) + 10 * x[:, 3],
    "steps": lambda x: 3.0 * (x[:, 0] > 0.5) + 2.0 * (x[:, 1] > 0.3) * (x[:, 2] > 0.7),
}
NOISE = 1.0  # as a share of the deviation of a law


def table_of(law: str, task: Task, rng: np.random.Generator, n: int, *, rows_a_group: int = 1) -> pd.DataFrame:
    """Draw rows: a number with noise, or a class of two, half of the noise shared by the rows of a group."""
    x = rng.random((n, len(NAMES)))
    score = LAWS[law](x)
    group = np.arange(n) // rows_a_group
    noise = (rng.normal(size=n)[group] + rng.normal(size=n)) / np.sqrt(2) if rows_a_group > 1 else rng.normal(size=n)
    frame = pd.DataFrame(x, columns=list(NAMES))
    if task is Task.REGRESSION:
        frame["y"] = score + NOISE * score.std() * noise
    else:
        frame["y"] = (rng.random(n) < chance(score)).astype(float)
    return frame.assign(customer=group.astype(float))


def chance(score):
    return 1 / (1 + np.exp(-2.0 * (score - score.mean()) / score.std()))


def model_of(task: Task, algorithm: str, *, group: str | None = None) -> TableModel:
    classes = () if task is Task.REGRESSION else ("0", "1")
    signature = TableSignature(
        task=task, target="y", classes=classes, columns=COLUMNS, outputs=outputs_of(task, "y", classes), group=group
    )
    return TableModel.described(signature, algorithm=algorithm)


def attained(model: TableModel, frame: pd.DataFrame, law: str, rng: np.random.Generator) -> float:
    """The share that models from four fifths of the rows reach of the gain of the law itself, on other rows."""
    x = rng.random((20_000, len(NAMES)))
    rows, truth = pd.DataFrame(x, columns=list(NAMES)), LAWS[law](x)
    fifth = rng.permutation(int(frame["customer"].max()) + 1)[frame["customer"].astype(int)] % 5
    lost = []
    for number in range(5):
        model.refit(frame[fifth != number], seed=1)
        answers = model.predict(rows)
        if model.signature.task is Task.REGRESSION:
            lost.append(np.mean(np.square(truth - answers)) / np.var(truth))
        else:
            p = chance(truth)
            lost.append(divergence(p, answers) / divergence(p, np.full_like(p, p.mean())))
    return 1.0 - float(np.mean(lost))


def divergence(p, q):
    return float(np.mean(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))))


@pytest.mark.truth
@pytest.mark.parametrize("task", [Task.REGRESSION, Task.CLASSIFICATION], ids=str)
@pytest.mark.parametrize("rows_a_group", [1, 5], ids=["rows", "groups"])
@pytest.mark.parametrize(("law", "algorithm"), [("a line", "linear"), ("curves", "lightgbm"), ("steps", "lightgbm")])
def test_the_interval_holds_the_share_that_is_reached(law, algorithm, rows_a_group, task, truth):
    held, n = [], 4 * truth.scale
    for seed in range(n):
        rng = np.random.default_rng([seed, rows_a_group])
        frame = table_of(law, task, rng, 600, rows_a_group=rows_a_group)
        model = model_of(task, algorithm, group="customer" if rows_a_group > 1 else None)
        model.fit(frame, seed=1)
        found = model.estimated_attainment(frame, n_tables=6, seed=seed)
        assert isinstance(found, EstimatedAttainment)
        assert 0 <= found.low <= found.value <= found.high <= 1
        assert found.value < found.doubled < 1
        held.append(found.low <= attained(model, frame, law, rng) <= found.high)
    truth.at_least(float(np.mean(held)), least_expected(0.9, n), n=n)


def test_more_rows_attain_more_and_the_estimate_says_so():
    rng = np.random.default_rng(3)
    frame = table_of("curves", Task.REGRESSION, rng, 2_000)
    few, many = (estimate(frame[:n]) for n in (250, 2_000))

    assert few.high < many.value
    assert (few.n_learned, many.n_learned, few.n_tables) == (200, 1_600, 8)


def estimate(frame, algorithm="lightgbm", *, seed=1):
    model = model_of(Task.REGRESSION, algorithm)
    model.fit(frame, seed=1)
    return model.estimated_attainment(frame, n_tables=8, seed=seed)


def test_an_estimate_is_repeatable_and_leaves_the_model_as_it_is():
    rng = np.random.default_rng(4)
    frame = table_of("steps", Task.REGRESSION, rng, 300)
    model = model_of(Task.REGRESSION, "lightgbm")
    model.fit(frame, seed=1)
    before = model.predict(frame)
    once, again = (model.estimated_attainment(frame, n_tables=4, seed=9) for _ in range(2))

    assert once == again
    assert np.array_equal(model.predict(frame), before)


def noise_alone(frame):
    return frame.assign(y=np.random.default_rng(5).normal(size=len(frame)))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param(lambda frame: frame[:19], "fewer than 20 groups", id="few rows"),
        pytest.param(noise_alone, "no better than a constant", id="nothing to learn"),
    ],
)
def test_a_table_that_shows_too_little_has_no_estimate(change, why):
    frame = table_of("steps", Task.REGRESSION, np.random.default_rng(6), 120)
    model = model_of(Task.REGRESSION, "linear")
    model.fit(frame, seed=1)

    assert why in model.estimated_attainment(change(frame), n_tables=2, seed=1)


def test_a_class_that_a_part_of_the_rows_lacks_is_said():
    frame = table_of("steps", Task.CLASSIFICATION, np.random.default_rng(7), 200)
    frame["y"] = np.where(np.arange(200) % 66 == 0, 1.0, 0.0)  # four rows: a quarter of them may have none
    model = model_of(Task.CLASSIFICATION, "linear")
    model.fit(frame, seed=1)

    assert model.estimated_attainment(frame, n_tables=2, seed=1) == "a part of the rows lacks a class"


def test_a_real_excess_that_nobody_knows_leaves_the_drawn_one():
    assert estimated_attainment._combined(3.0, 1e9) == pytest.approx((1.0, estimated_attainment.UNIT_SD))
    assert estimated_attainment._combined(3.0, 1e-9)[0] == pytest.approx(3.0)
