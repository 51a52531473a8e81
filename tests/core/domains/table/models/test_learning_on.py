"""A trained model of a table learns on from new rows where its method can, and says exactly why it cannot elsewhere."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.domains.catalogue import load_model
from core.domains.table.models import TableModel
from core.errors import UsageError
from core.models.errors import NotContinuableError, NothingGainedError
from core.tables import Task
from tests.core.domains.table.models.test_table_model import hashes, rows, signature_of

CONTINUING = [
    pytest.param("price", Task.REGRESSION, "linear", {}, id="a number by ridge"),
    pytest.param("price", Task.REGRESSION, "lightgbm", {}, id="a number by LightGBM"),
    pytest.param("late", Task.CLASSIFICATION, "linear", {}, id="two classes by logistic regression"),
    pytest.param("late", Task.CLASSIFICATION, "lightgbm", {}, id="two classes by LightGBM"),
    pytest.param("speed", Task.CLASSIFICATION, "linear", {}, id="three classes by logistic regression"),
    pytest.param("speed", Task.CLASSIFICATION, "lightgbm", {}, id="three classes by LightGBM"),
    pytest.param("price", Task.REGRESSION, "voting", {"members": "linear, lightgbm"}, id="an ensemble"),
]


def changed(n: int, seed: int) -> pd.DataFrame:
    """Draw rows of a world in which grade C has become dear; the rest is as it was."""
    frame = rows(n, seed)
    lift = 3.0 * (frame["grade"] == "C")
    score = (frame["price"] + lift).to_numpy()
    frame["price"] = score
    frame["late"] = (score > 1).astype(float)
    frame["speed"] = pd.Categorical(np.array(["slow", "mid", "fast"])[np.digitize(score, [-1, 1.5])])
    return frame


@pytest.mark.parametrize(("target", "task", "algorithm", "parameters"), CONTINUING)
def test_it_starts_where_it_was_and_does_better_on_the_new_world(target, task, algorithm, parameters, tmp_path: Path):
    model = TableModel.described(signature_of(target, task), algorithm=algorithm, parameters=parameters)
    model.fit(rows(), seed=7)
    model.save(tmp_path / "before")
    fresh, new = changed(2_000, 3), changed(400, 2)
    before = model.losses(fresh)[0].mean()
    for place in ("first", "second"):
        model = load_model(tmp_path / "before")
        assert model.why_not_continued() is None
        model.update(new, seed=7)
        model.save(tmp_path / place)
    assert model.losses(fresh)[0].mean() < 0.9 * before
    assert hashes(tmp_path / "first") == hashes(tmp_path / "second") != hashes(tmp_path / "before")
    copy = load_model(tmp_path / "first")
    np.testing.assert_array_equal(copy.predict(fresh), model.predict(fresh))
    assert copy.n_rows == 1_200
    assert sum(copy.feature_importance().values()) == pytest.approx(1.0)
    scorer = copy.row_scorer()
    assert scorer is not None


def test_few_new_rows_do_not_erase_what_was_learned():
    few = changed(120, 2)
    old, anew = (TableModel.described(signature_of("price", Task.REGRESSION), algorithm="lightgbm") for _ in range(2))
    old.fit(rows(4_000), seed=7)
    old.update(few, seed=7)
    anew.fit(few, seed=7)
    fresh = changed(2_000, 3)
    assert old.losses(fresh)[0].mean() < anew.losses(fresh)[0].mean()


@pytest.mark.parametrize(
    ("target", "task", "algorithm", "why"),
    [
        pytest.param("price", Task.REGRESSION, "hist_gradient_boosting", "learns once, from all rows", id="histograms"),
        pytest.param(None, Task.ANOMALY, "auto", "isolation_forest learns once", id="a detector"),
    ],
)
def test_a_method_that_cannot_says_why_and_stays_as_it_is(target, task, algorithm, why):
    model = TableModel.described(signature_of(target, task), algorithm=algorithm)
    model.fit(rows(), seed=7)
    before = model.predict(rows())
    assert why in (model.why_not_continued() or "")
    with pytest.raises(NotContinuableError, match=why):
        model.update(changed(400, 2), seed=7)
    np.testing.assert_array_equal(model.predict(rows()), before)


def test_a_class_that_is_new_to_it_is_named():
    model = TableModel.described(signature_of("speed", Task.CLASSIFICATION), algorithm="linear")
    model.fit(rows(), seed=7)
    strange = changed(200, 2).assign(speed=pd.Categorical(["warp"] * 200))
    with pytest.raises(UsageError, match="'warp' is not a class of speed"):
        model.update(strange, seed=7)


@pytest.mark.parametrize("algorithm", ["linear", "lightgbm"])
def test_what_it_answers_already_teaches_it_nothing(algorithm):
    model = TableModel.described(signature_of("price", Task.REGRESSION), algorithm=algorithm)
    model.fit(rows(), seed=7)
    same = rows(200, 5)
    same["price"] = model.predict(same)
    before = model.predict(rows())
    with pytest.raises(NothingGainedError, match=f"{algorithm} gains nothing from 200 new rows"):
        model.update(same, seed=7)
    np.testing.assert_array_equal(model.predict(rows()), before)
