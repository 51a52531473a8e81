"""The model of a table: its training, its evaluation, and its files."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.domains.catalogue import load_model
from core.domains.table.models import TableModel
from core.errors import RefusedError, UsageError
from core.models.errors import (
    ArtifactError,
    MissingColumnsError,
    NotFittedError,
    UnknownAlgorithmError,
    UnknownParameterError,
)
from core.tables import ColumnKind, ColumnSignature, TableSignature, Task
from core.tables.task import outputs_of

COLUMNS = (
    ColumnSignature(name="size", kind=ColumnKind.NUMBER, allows_missing=True, least=-5.0, most=5.0),
    ColumnSignature(name="noise", kind=ColumnKind.NUMBER, allows_missing=False, least=-5.0, most=5.0),
    ColumnSignature(name="grade", kind=ColumnKind.CATEGORY, allows_missing=False, levels=("A", "B", "C")),
)


def rows(n: int = 800, seed: int = 1) -> pd.DataFrame:
    """Draw rows of sixty desks, with a number, two and three classes to learn."""
    rng = np.random.default_rng(seed)
    desk = rng.integers(0, 60, n)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "noise": rng.normal(size=n),
            "grade": pd.Categorical(rng.choice(["A", "B", "C"], n)),
            "desk": desk.astype(float),
        }
    )
    score = 2 * frame["size"] + np.sin(4 * frame["size"]) + (frame["grade"] == "A") + rng.normal(0, 0.3, 60)[desk]
    frame["price"] = score + rng.normal(size=n)
    frame["late"] = (score + rng.normal(size=n) > 1).astype(float)
    frame["speed"] = pd.Categorical(np.array(["slow", "mid", "fast"])[np.digitize(score, [-1, 1.5])])
    frame.loc[::19, "size"] = np.nan
    return frame


def signature_of(target: str | None, task: Task, **more) -> TableSignature:
    classes = {"late": ("0", "1"), "speed": ("fast", "mid", "slow")}.get(target or "", ())
    outputs = outputs_of(task, target, classes)
    return TableSignature(task=task, target=target, classes=classes, columns=COLUMNS, outputs=outputs, **more)


CASES = [
    pytest.param("price", Task.REGRESSION, "auto", id="a number"),
    pytest.param("price", Task.REGRESSION, "hist_gradient_boosting", id="a number by histogram boosting"),
    pytest.param("late", Task.CLASSIFICATION, "auto", id="two classes"),
    pytest.param("late", Task.CLASSIFICATION, "hist_gradient_boosting", id="two classes by histogram boosting"),
    pytest.param("speed", Task.CLASSIFICATION, "linear", id="three classes by logistic regression"),
    pytest.param("speed", Task.CLASSIFICATION, "lightgbm", id="three classes by LightGBM"),
    pytest.param(None, Task.ANOMALY, "auto", id="strange rows"),
]


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize(("target", "task", "algorithm"), CASES)
def test_the_same_rows_and_seed_give_the_same_bytes_and_a_restored_copy_the_same_answers(
    target, task, algorithm, tmp_path
):
    frame = rows()
    for place in ("first", "second"):
        model = TableModel.described(signature_of(target, task, group="desk"), algorithm=algorithm)
        model.fit(frame, seed=7)
        model.save(tmp_path / place)
    copy = load_model(tmp_path / "first")
    copy.save(tmp_path / "copy")

    assert hashes(tmp_path / "first") == hashes(tmp_path / "second") == hashes(tmp_path / "copy")
    np.testing.assert_array_equal(copy.predict(frame), model.predict(frame))
    assert copy.report() == model.report()
    assert copy.feature_importance() == model.feature_importance()


@pytest.mark.journey
def test_boosting_continues_as_long_as_it_improves_on_rows_held_out():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.uniform(1, 10, size=(3_000, 3)), columns=["a", "b", "c"])
    frame["price"] = frame["a"] * frame["b"] + 10 * np.sin(2 * frame["c"])
    columns = tuple(
        ColumnSignature(name=name, kind=ColumnKind.NUMBER, allows_missing=False, least=1.0, most=10.0) for name in "abc"
    )
    outputs = outputs_of(Task.REGRESSION, "price", ())
    signature = TableSignature(task=Task.REGRESSION, target="price", columns=columns, outputs=outputs)

    mse = {}
    for name, parameters in (("as shipped", {}), ("400 trees", {"max_trees": 400})):
        model = TableModel.described(signature, algorithm="lightgbm", parameters=parameters)
        model.fit(frame[:2_000], seed=7)
        mse[name] = model.evaluate(frame[2_000:])["loss"]

    assert mse["as shipped"] < 0.8 * mse["400 trees"]


@pytest.mark.parametrize(
    ("target", "task", "metric", "least"),
    [
        pytest.param("price", Task.REGRESSION, "r2", 0.6, id="a number"),
        pytest.param("late", Task.CLASSIFICATION, "auc", 0.85, id="two classes"),
        pytest.param("speed", Task.CLASSIFICATION, "accuracy", 0.7, id="three classes"),
    ],
)
def test_a_learnable_target_is_learned_and_the_score_holds_on_other_rows(target, task, metric, least):
    model = TableModel.described(signature_of(target, task))
    model.fit(rows(), seed=1)

    metrics = model.evaluate(rows(seed=2))

    assert metrics[metric] > least
    assert metrics["skill_low"] > 0
    assert next(iter(model.feature_importance())) == "size"
    assert sum(model.feature_importance().values()) == pytest.approx(1)


def test_the_skill_shows_when_there_is_nothing_to_learn():
    rng = np.random.default_rng(3)
    frame = rows().assign(price=rng.normal(size=800))
    model = TableModel.described(signature_of("price", Task.REGRESSION))
    model.fit(frame, seed=1)

    other = rows(seed=2).assign(price=rng.normal(size=800))

    assert model.evaluate(other)["skill_low"] < 0.01


def test_probabilities_of_all_classes_sum_to_one():
    model = TableModel.described(signature_of("speed", Task.CLASSIFICATION))
    model.fit(rows(), seed=1)

    answers = model.predict(rows(seed=2))

    assert answers.shape == (800, 3)
    np.testing.assert_allclose(answers.sum(axis=1), 1)


def test_strange_rows_score_higher_than_usual_ones():
    model = TableModel.described(signature_of(None, Task.ANOMALY))
    model.fit(rows(), seed=1)
    strange = rows(20, seed=5).assign(size=30.0, noise=-30.0)

    assert model.predict(strange).min() > np.quantile(model.predict(rows(seed=2)), 0.98)


def test_empty_cells_and_unseen_levels_are_answered():
    model = TableModel.described(signature_of("price", Task.REGRESSION), algorithm="linear")
    model.fit(rows(), seed=1)
    frame = pd.DataFrame({"size": [np.nan, 1.0], "noise": [0.0, None], "grade": ["Z", None]})

    assert np.isfinite(model.predict(frame)).all()


def test_a_slice_is_measured_for_each_level_with_enough_rows():
    model = TableModel.described(signature_of("late", Task.CLASSIFICATION))
    model.fit(rows(), seed=1)

    slices = model.judge_slices(rows(seed=2))

    assert set(slices) == {"grade=A", "grade=B", "grade=C"}
    assert all(found["n_rows"] >= 30 and 0 < found["accuracy"] < 1 for found in slices.values())


def test_intervals_over_groups_are_wider_when_errors_within_a_group_are_correlated():
    frame = rows(1_200)
    frame["price"] = frame["noise"] + np.random.default_rng(1).normal(0, 3, 60)[frame["desk"].astype(int)]
    model = TableModel.described(signature_of("price", Task.REGRESSION, group="desk"), algorithm="linear")
    model.fit(frame, seed=1)
    alone = TableModel.described(signature_of("price", Task.REGRESSION), algorithm="linear")
    alone.fit(frame, seed=1)

    by_group, by_row = model.evaluate(frame), alone.evaluate(frame)

    assert by_group["mae_high"] - by_group["mae_low"] > 1.5 * (by_row["mae_high"] - by_row["mae_low"])


@pytest.mark.parametrize(
    ("task", "target", "algorithm", "parameters", "error"),
    [
        pytest.param(Task.REGRESSION, "price", "isolation_forest", {}, UnknownAlgorithmError, id="not for numbers"),
        pytest.param(Task.ANOMALY, None, "linear", {}, UnknownAlgorithmError, id="not for anomalies"),
        pytest.param(
            Task.CLASSIFICATION,
            "speed",
            "hist_gradient_boosting",
            {},
            UnknownAlgorithmError,
            id="not for three classes",
        ),
        pytest.param(Task.REGRESSION, "price", "auto", {"depth": 3}, UnknownParameterError, id="a strange parameter"),
    ],
)
def test_an_unsuitable_method_or_parameter_is_refused_before_training(task, target, algorithm, parameters, error):
    with pytest.raises(error):
        TableModel.described(signature_of(target, task), algorithm=algorithm, parameters=parameters)


def test_a_table_model_of_a_method_that_cannot_continue_learns_once():
    model = TableModel.described(signature_of("price", Task.REGRESSION), algorithm="hist_gradient_boosting")
    with pytest.raises(NotFittedError):
        model.predict(rows())
    model.fit(rows(), seed=1)

    with pytest.raises(RefusedError, match="Train it again"):
        model.update(rows(), seed=2)
    model.fit(rows(seed=2), seed=2)
    with pytest.raises(MissingColumnsError, match="grade"):
        model.predict(rows()[["size", "noise"]])


def test_a_target_with_a_gap_is_refused():
    model = TableModel.described(signature_of("price", Task.REGRESSION))

    with pytest.raises(UsageError, match="price"):
        model.fit(rows().assign(price=np.nan), seed=1)


def test_a_class_found_only_in_the_groups_held_out_is_refused_by_name():
    frame = rows()
    frame["speed"] = pd.Categorical(np.where(frame["desk"] == 3, "fast", np.where(frame["desk"] == 4, "mid", "slow")))
    model = TableModel.described(signature_of("speed", Task.CLASSIFICATION, group="desk"))

    with pytest.raises(UsageError, match="has the class"):
        model.fit(frame, seed=1)


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda f: (f / "trees.txt").write_text("tree\n"), id="other trees"),
        pytest.param(lambda f: (f / "signature.json").unlink(), id="no signature"),
        pytest.param(lambda f: _rewrite(f, "ships", "linear"), id="another method"),
        pytest.param(lambda f: _rewrite(f, "tuned", None), id="a header of the wrong shape"),
        pytest.param(lambda f: (f / "model.json").write_text("{}"), id="an empty header"),
    ],
)
def test_an_inconsistent_artifact_is_refused(harm, tmp_path):
    model = TableModel.described(signature_of("price", Task.REGRESSION), algorithm="lightgbm")
    model.fit(rows(200), seed=1)
    model.save(tmp_path)

    harm(tmp_path)

    with pytest.raises(ArtifactError):
        load_model(tmp_path)


def _rewrite(folder: Path, key: str, value: object) -> None:
    header = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(header | {key: value}))
