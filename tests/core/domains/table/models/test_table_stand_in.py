"""Table models where LightGBM cannot be loaded."""

import sys

import numpy as np
import pandas as pd
import pytest

from core.domains.catalogue import load_model
from core.domains.table.models import TableModel
from core.models.errors import LightGbmUnavailableError
from core.tables import ColumnKind, ColumnSignature, TableSignature, Task
from core.tables.task import outputs_of

COLUMNS = (ColumnSignature(name="size", kind=ColumnKind.NUMBER, allows_missing=False, least=-5.0, most=5.0),)
CLASSES = {"price": (), "late": ("0", "1"), "speed": ("0", "1", "2")}


def rows() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    size = rng.normal(size=600)
    score = np.sin(3 * size) + rng.normal(0, 0.2, 600)
    return pd.DataFrame({"size": size, "price": score, "late": score > 0, "speed": np.digitize(score, [-0.5, 0.5])})


def described(target: str | None, task: Task, **options) -> TableModel:
    classes = CLASSES.get(target or "", ())
    outputs = outputs_of(task, target, classes)
    signature = TableSignature(task=task, target=target, classes=classes, columns=COLUMNS, outputs=outputs)
    return TableModel.described(signature, **options)


@pytest.mark.usefixtures("without_lightgbm")
@pytest.mark.parametrize(
    ("target", "task", "stand_in"),
    [
        pytest.param("price", Task.REGRESSION, "hist_gradient_boosting", id="a number"),
        pytest.param("late", Task.CLASSIFICATION, "hist_gradient_boosting", id="two classes"),
        pytest.param("speed", Task.CLASSIFICATION, "linear", id="three classes, for which there is but one"),
    ],
)
def test_auto_trains_without_lightgbm_and_says_which_method_replaces_it(target, task, stand_in, tmp_path):
    model = described(target, task, parameters={"num_leaves": 7})
    model.fit(rows().astype(float), seed=1)
    report = model.report()

    assert "lightgbm" not in {entry["candidate"] for entry in report["candidates"]}
    assert f"{stand_in} trains in its place" in model.warnings[0]
    assert report["warnings"] == list(model.warnings)
    model.save(tmp_path)
    assert load_model(tmp_path).report() == report


@pytest.mark.usefixtures("without_lightgbm")
def test_a_forest_does_not_need_lightgbm():
    assert described(None, Task.ANOMALY).warnings == ()


@pytest.mark.usefixtures("without_lightgbm")
def test_lightgbm_asked_for_by_name_is_refused_with_the_cure():
    with pytest.raises(LightGbmUnavailableError, match="Cure: "):
        described("price", Task.REGRESSION, algorithm="lightgbm")


def test_a_saved_model_of_lightgbm_is_refused_with_the_cure(tmp_path, monkeypatch):
    model = described("price", Task.REGRESSION, algorithm="lightgbm")
    model.fit(rows().astype(float), seed=1)
    model.save(tmp_path)
    monkeypatch.setitem(sys.modules, "lightgbm", None)

    with pytest.raises(LightGbmUnavailableError, match="Cure: "):
        load_model(tmp_path)
