"""LightGBM trees trained elsewhere: they answer exactly as in LightGBM, and invalid trees are refused."""

import re
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest

from core.domains.catalogue import load_model
from core.domains.table.models import TableModel
from core.domains.table.models.imported import ForeignColumn, imported_trees
from core.errors import RefusedError
from core.models.errors import ArtifactError, UnknownAlgorithmError
from core.tables import ColumnKind, Task

QUIET = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 5, "min_data_per_group": 5, "seed": 1}


def rents(n: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"area of it": random.normal(size=n), "floor": random.integers(0, 5, n)})
    frame["age"] = pd.Categorical(random.choice(["old", "new", "listed"], n))
    frame.loc[::17, "area of it"] = np.nan
    return frame


def learned(objective: str = "regression", **parameters: object) -> tuple[lightgbm.Booster, pd.DataFrame]:
    frame = rents()
    score = frame["area of it"].fillna(0) * 2 + frame["floor"] + (frame["age"] == "old")
    classes = {"binary": 2, "multiclass": 3, "multiclassova": 3}.get(objective)
    target = pd.qcut(score, classes, labels=False) if classes else score - score.min() + 1
    more = {"num_class": classes} if classes == 3 else {}
    parameters = {**QUIET, "objective": objective, **more, **parameters}
    return lightgbm.train(parameters, lightgbm.Dataset(frame, target), 8), frame


def columns() -> list[ForeignColumn]:
    kinds = {"area of it": ColumnKind.NUMBER, "floor": ColumnKind.INTEGER, "age": ColumnKind.CATEGORY}
    return [ForeignColumn(name, kind, allows_missing=kind is ColumnKind.NUMBER) for name, kind in kinds.items()]


@pytest.mark.parametrize(
    ("objective", "classes"),
    [
        ("regression", ()),
        ("poisson", ()),
        ("quantile", ()),
        ("binary", ("0", "1")),
        ("multiclass", ("0", "1", "2")),
        ("multiclassova", ("0", "1", "2")),
    ],
)
def test_it_answers_exactly_as_lightgbm_does_and_so_does_its_saved_copy(objective, classes, tmp_path: Path) -> None:
    booster, frame = learned(objective)
    model = imported_trees(booster.model_to_string(), columns=columns(), target="rent")
    model.save(tmp_path)
    loaded = load_model(tmp_path)
    assert isinstance(loaded, TableModel)
    assert loaded.signature is not None
    assert (loaded.signature.classes, loaded.signature.target) == (classes, "rent")
    expected = booster.predict(frame, num_threads=1)
    np.testing.assert_array_equal(model.predict(frame), expected)
    np.testing.assert_array_equal(loaded.predict(frame), expected)


def test_its_signature_has_the_ranges_and_levels_of_its_training_data() -> None:
    booster, frame = learned()
    model = imported_trees(booster.model_to_string(), columns=columns())
    assert model.signature is not None
    area, floor, age = model.signature.columns
    assert (area.least, area.most) == (frame["area of it"].min(), frame["area of it"].max())
    assert (floor.kind, floor.least, floor.most) == (ColumnKind.INTEGER, 0.0, 4.0)
    assert (age.kind, age.levels) == (ColumnKind.CATEGORY, ("listed", "new", "old"))
    assert model.feature_importance().keys() == {"area of it", "floor", "age"}


def test_without_a_description_columns_are_numbers_named_as_lightgbm_has_them() -> None:
    random = np.random.default_rng(1)
    matrix = random.normal(size=(100, 2))
    booster = lightgbm.train(QUIET, lightgbm.Dataset(matrix, matrix[:, 0]), 3)
    model = imported_trees(booster.model_to_string())
    assert model.signature is not None
    assert model.signature.kinds == {"Column_0": ColumnKind.NUMBER, "Column_1": ColumnKind.NUMBER}
    assert model.signature.task is Task.REGRESSION


def test_it_is_evaluated_without_an_unknown_constant() -> None:
    booster, frame = learned()
    model = imported_trees(booster.model_to_string(), columns=columns(), target="rent")
    metrics = model.evaluate(frame.assign(rent=booster.predict(frame)))
    assert metrics["mae"] == 0.0
    assert not [name for name in metrics if "skill" in name]
    assert model.report()["parameters"] == {}


def test_it_cannot_be_trained_and_is_not_a_trainable_algorithm() -> None:
    booster, frame = learned()
    model = imported_trees(booster.model_to_string(), columns=columns(), target="rent")
    with pytest.raises(RefusedError, match="its trees were imported"):
        model.update(frame.assign(rent=1.0), seed=1)
    with pytest.raises(UnknownAlgorithmError):
        TableModel("imported_lightgbm")


def spoilt(pattern: str, replacement: str, **parameters: object) -> str:
    text = learned(**parameters)[0].model_to_string()
    found = re.sub(pattern, replacement, text, count=1, flags=re.MULTILINE)
    assert found != text
    return found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("tree\n", "are inconsistent", id="no trees"),
        pytest.param(spoilt(r"^left_child=\S+", "left_child=9999"), "is inconsistent", id="a nonexistent child"),
        pytest.param(spoilt(r"^split_feature=\S+", "split_feature=77"), "is inconsistent", id="no such column"),
        pytest.param(
            spoilt(r"^cat_boundaries=0 \d+", "cat_boundaries=0 999999"), "categories of tree", id="far levels"
        ),
        pytest.param(spoilt(r"^num_cat=", "num_cat=1"), "categories of tree", id="more categories than there are"),
        pytest.param(
            spoilt(r"^leaf_value=", "num_leaves=2\nleaf_value="), "has a repeated entry", id="a repeated entry"
        ),
        pytest.param(spoilt(r"^num_class=1", "num_class=5\nnum_class=1"), "head of the trees", id="two heads"),
        pytest.param(spoilt(r"^num_class=1", "num_class=5", objective="binary"), "of 2 classes", id="more classes"),
        pytest.param(
            spoilt(r"num_class:3", "num_class:900", objective="multiclass"), "of 900 classes", id="900 classes"
        ),
        pytest.param(
            spoilt(r"^is_linear=0", "is_linear=1"), "is not supported: tree 1 has linear leaves", id="linear leaves"
        ),
        pytest.param(spoilt(r"^feature_infos=\S+ ", "feature_infos="), "3 are described", id="a column too many"),
        pytest.param(spoilt(r"^pandas_categorical:.*", "pandas_categorical:[[1,2]]"), "not texts", id="odd levels"),
        pytest.param(spoilt(r"^pandas_categorical:.*", "pandas_categorical:null"), "do not say how", id="no levels"),
    ],
)
def test_invalid_trees_are_refused_before_lightgbm_reads_them(text: str, why: str) -> None:
    with pytest.raises(ArtifactError, match=why):
        imported_trees(text, columns=columns())


def test_sizes_that_point_past_the_end_are_not_followed() -> None:
    booster, frame = learned()
    text = re.sub(r"^tree_sizes=.*$", "tree_sizes=99999999 99999999", booster.model_to_string(), flags=re.MULTILINE)
    model = imported_trees(text, columns=columns())
    np.testing.assert_array_equal(model.predict(frame), booster.predict(frame, num_threads=1))
