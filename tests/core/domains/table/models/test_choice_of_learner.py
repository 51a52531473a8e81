"""What ships from a table: chosen on rows held out, stable over seeds, never worse than the constant."""

import json

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMRegressor
from sklearn.linear_model import Ridge

from core.domains.catalogue import load_model
from core.domains.table.models import TableModel, folds
from core.domains.table.models.choice import choose
from core.domains.table.models.folds import folds_of
from core.errors import UsageError
from core.models.learners import tree_shapes
from core.models.learners.blend import BlendLearner
from core.models.learners.lightgbm_trees import LightGbmLearner, settled_size
from core.models.learners.samples import judges_later
from core.models.learners.standardised_linear import StandardisedLinearLearner
from core.tables import ColumnKind, ColumnSignature, TableSignature, Task
from core.tables.task import outputs_of


def described(frame: pd.DataFrame, *, task: Task = Task.REGRESSION, classes: tuple[str, ...] = (), **options):
    """Describe a table of numbers with the target y."""
    roles = {name: options.pop(name, None) for name in ("group", "time")}
    columns = tuple(
        ColumnSignature(name=name, kind=ColumnKind.NUMBER, allows_missing=True)
        for name in frame
        if name not in ("y", *roles.values())
    )
    signature = TableSignature(
        task=task, target="y", classes=classes, columns=columns, outputs=outputs_of(task, "y", classes), **roles
    )
    return TableModel.described(signature, **options)


def noise(n: int, seed: int, *, signal: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    return frame.assign(y=signal * frame["a"] + rng.normal(size=n))


@pytest.mark.parametrize("algorithm", ["auto", "linear"])
def test_a_constant_ships_with_the_reason_where_nothing_predicts_better(algorithm, tmp_path):
    frame = noise(120, seed=3)
    model = described(frame, algorithm=algorithm)
    model.fit(frame, seed=1)
    report = model.report()

    assert report["ships"] == "constant"
    assert "no method predicts rows held out surely better than the constant" in report["why"]
    assert {"constant", "linear"} <= {entry["candidate"] for entry in report["candidates"]}
    np.testing.assert_allclose(model.predict(frame), frame["y"].mean())
    model.save(tmp_path)
    np.testing.assert_array_equal(load_model(tmp_path).predict(frame), model.predict(frame))


def test_a_constant_of_classes_answers_their_shares():
    rng = np.random.default_rng(1)
    frame = noise(200, seed=4).assign(y=rng.integers(0, 3, 200).astype(float))
    model = described(frame, task=Task.CLASSIFICATION, classes=("0", "1", "2"), algorithm="linear")
    model.fit(frame, seed=1)

    assert model.report()["ships"] == "constant"
    np.testing.assert_allclose(model.predict(frame)[0], [np.mean(frame["y"] == k) for k in range(3)])


def test_a_clear_gain_ships_though_one_row_sets_the_standard_error():
    rng = np.random.default_rng(1)
    constant = rng.exponential(size=200)
    constant[7] = 1e4  # one huge value of a heavy tail: the difference is within one standard error of zero
    choice = choose({"constant": constant, "linear": constant / 10}, np.arange(200))

    assert choice.standings[1].behind_best < choice.standings[1].standard_error * 1.1
    assert choice.ships == "linear"


@pytest.mark.parametrize("algorithm", ["auto", "linear"])
def test_heavy_tails_are_added_up(algorithm):
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"a": rng.lognormal(0, 2, 600), "b": rng.lognormal(0, 2, 600)})
    frame["y"] = frame["a"] + frame["b"]
    model = described(frame, algorithm=algorithm)
    model.fit(frame[:400], seed=1)

    assert model.evaluate(frame[400:])["r2"] > 0.99


def test_the_form_of_a_number_is_chosen_on_rows_held_out():
    rng = np.random.default_rng(6)
    heavy = rng.lognormal(0, 2, 500)
    targets = {"plain": heavy, "asinh": np.arcsinh(heavy - 1), "hinges": np.abs(heavy - np.quantile(heavy, 0.5))}
    chosen = {}
    for name, target in targets.items():
        frame = pd.DataFrame({"a": heavy, "b": rng.normal(size=500), "y": target})
        model = described(frame, algorithm="linear")
        model.fit(frame, seed=1)
        chosen[name] = model.report()["parameters"]["numbers"]
        assert model.evaluate(frame)["r2"] > 0.98

    assert chosen["plain"] == "plain"
    assert chosen["hinges"] == "hinges"


def test_an_absurd_cell_does_not_make_an_absurd_answer():
    frame = noise(400, seed=7, signal=1.0)
    model = described(frame, algorithm="linear")
    model.fit(frame, seed=1)
    absurd = frame[:2].assign(a=[1e12, np.nan])

    assert np.abs(model.predict(absurd)).max() < 100


@pytest.mark.parametrize(
    ("signal", "ships", "is_proven"),
    [
        pytest.param(0.0, "constant", False, id="without a relation"),
        pytest.param(0.5, "linear", False, id="with a relation that 150 rows do not prove"),
        pytest.param(0.75, "linear", True, id="with a relation"),
    ],
)
def test_the_choice_on_a_small_table_is_the_same_under_every_seed(signal, ships, is_proven):
    frame = noise(150, seed=8, signal=signal)
    seen = []
    for seed in range(6):
        model = described(frame, algorithm="linear")
        found = model.cross_validate(frame, seed=seed)
        seen.append((model.report()["ships"], found.metrics["skill_low"] > 0))

    assert set(seen) == {(ships, is_proven)}


def test_every_row_of_a_small_table_is_judged_equally_often_and_never_by_a_model_that_learned_it():
    frame = noise(150, seed=1).assign(desk=np.arange(150) % 20)
    model = described(frame, group="desk")
    found = folds_of(frame, model.signature, frame["y"].to_numpy(), seed=1)

    assert set(np.bincount(np.concatenate([fold.judge for fold in found.folds]))) == {5}
    for fold in found.folds:
        assert not set(frame["desk"].iloc[fold.learn]) & set(frame["desk"].iloc[fold.judge])


def test_with_times_later_rows_are_judged_by_earlier_rows():
    frame = noise(150, seed=1).assign(day=np.random.default_rng(1).integers(0, 60, 150))
    model = described(frame, time="day")
    found = folds_of(frame, model.signature, frame["y"].to_numpy(), seed=1)

    assert len(found.folds) == 4
    for fold in found.folds:
        assert frame["day"].iloc[fold.learn].max() < frame["day"].iloc[fold.judge].min()


def seasonal(n: int, seed: int, *, n_years: float = 4.0) -> pd.DataFrame:
    """Make a series whose level, which one column carries, and whose noise turn with the season."""
    rng = np.random.default_rng(seed)
    day = np.sort(rng.uniform(0, n_years, n))
    season = np.sin(2 * np.pi * day)
    level = 10 + 3 * season + 0.5 * day + 0.3 * rng.normal(size=n)
    frame = pd.DataFrame(rng.normal(size=(n, 12)), columns=[f"x{k}" for k in range(12)])
    effect = (1 + 0.5 * season) * (np.abs(frame["x0"]) + frame["x1"] * (frame["x2"] > 0))
    return frame.assign(level=level, day=day, y=level + effect + (1 + 0.5 * season) * rng.normal(size=n))


def test_with_times_a_large_table_is_judged_in_several_windows():
    frame = seasonal(6_000, seed=1)
    model = described(frame, time="day")
    found = folds_of(frame, model.signature, frame["y"].to_numpy(), seed=1)

    assert [round(len(fold.learn) / len(frame), 2) for fold in found.folds] == [0.4, 0.55, 0.7, 0.85]
    assert judges_later(found.folds)
    assert sum(len(fold.judge) for fold in found.folds) == 3_600
    without = folds_of(frame, described(frame.drop(columns="day")).signature, frame["y"].to_numpy(), seed=1)
    assert not judges_later(without.folds)


def test_with_very_many_cells_two_windows_decide(monkeypatch):
    monkeypatch.setattr(folds, "MOST_CELLS", 10_000)
    monkeypatch.setattr(folds, "MOST_JUDGED", 1_000)
    frame = seasonal(6_000, seed=1)
    found = folds_of(frame, described(frame, time="day").signature, frame["y"].to_numpy(), seed=1)

    assert [len(fold.judge) for fold in found.folds] == [500, 500]


def test_no_single_window_in_time_settles_the_number_of_trees():
    early, late = [[*np.linspace(5, 1, n), *np.linspace(1, 2, 30)] for n in (50, 200)]

    assert settled_size([[early, late]], in_time=True) == (0, 100)
    assert settled_size([[late, late]], in_time=True) == (0, 200)


@pytest.mark.parametrize("cut", [0.6, 0.7, 0.8, 0.9])
def test_the_choice_in_time_loses_to_no_plain_fit_in_any_season(cut):
    frame = seasonal(12_000, seed=3)
    n = int(cut * len(frame))
    learn, test = frame[:n], frame[n : n + 1_200]
    model = described(frame, time="day")
    model.fit(learn, seed=1)
    columns = [name for name in frame if name not in ("y", "day")]
    for plain in (LGBMRegressor(n_jobs=1, verbose=-1), Ridge()):
        theirs = plain.fit(learn[columns], learn["y"]).predict(test[columns])
        behind = np.square(model.predict(test) - test["y"]) - np.square(theirs - test["y"])
        assert behind.mean() < 2 * behind.std() / len(test) ** 0.5


def test_with_times_a_tree_sees_all_columns_unless_there_are_very_many():
    shares = [tree_shapes.shapes_for(9_000, n, LightGbmLearner.defaults, in_time=True)[0][3] for n in (10, 26, 1_000)]

    assert shares == [1.0, 1.0, 0.2]


def test_the_number_of_trees_is_settled_at_the_size_of_the_table():
    frame = noise(60_000, seed=1, signal=1.0)
    model = described(frame, algorithm="lightgbm", parameters={"max_trees": 12, "num_leaves": 4})
    model.fit(frame, seed=1)
    parameters = model.report()["parameters"]

    assert parameters["settled_on"] == 48_000
    assert parameters["num_leaves"] == 4
    assert model.learner.booster.num_trees() == round(parameters["n_trees"] * np.sqrt(60 / 48))


def test_more_rows_get_larger_trees_and_the_settings_prevail():
    parameters = LightGbmLearner.defaults
    sizes = [tree_shapes.shapes_for(n, 10, parameters)[-1].num_leaves for n in (100, 5_000, 20_000, 250_000)]
    assert sizes == sorted(set(sizes))
    (own,) = tree_shapes.shapes_for(250_000, 10, {**parameters, "num_leaves": 7, "learning_rate": 0.3})
    assert (own.num_leaves, own.learning_rate) == (7, 0.3)


@pytest.mark.journey
def test_the_number_of_threads_changes_no_byte(monkeypatch):
    frame = noise(2_000, seed=1, signal=1.0)
    dumped = []
    monkeypatch.setattr(tree_shapes, "MANY_ROWS", 0)
    for n_threads in (1, 2, 3):
        monkeypatch.setattr(tree_shapes, "threads_available", lambda n_threads=n_threads: n_threads)
        model = described(frame, algorithm="lightgbm", parameters={"max_trees": 30})
        model.fit(frame, seed=1)
        dumped.append(model.learner.dump()[2])

    assert dumped[0] == dumped[1] == dumped[2]


def test_importance_on_a_wide_table_measures_only_the_columns_that_the_model_uses_most(monkeypatch):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(300, 400)), columns=[f"x{k}" for k in range(400)])
    frame["y"] = frame["x7"] + 0.1 * rng.normal(size=300)
    calls = []
    answer = StandardisedLinearLearner.answer
    monkeypatch.setattr(StandardisedLinearLearner, "answer", lambda self, rows: calls.append(1) or answer(self, rows))
    model = described(frame, algorithm="linear")
    model.fit(frame, seed=1)

    assert len(calls) < 5 * 110
    assert next(iter(model.feature_importance())) == "x7"
    assert len(model.feature_importance()) == 400


@pytest.mark.parametrize(("unit", "is_refused"), [(1e300, True), (1e-200, True), (1e30, False), (1e-30, False)])
def test_a_target_in_an_extreme_unit_is_learned_or_refused_with_the_fix(unit, is_refused):
    frame = noise(200, seed=1, signal=3.0)
    frame["y"] *= unit
    model = described(frame)
    if is_refused:
        with pytest.raises(UsageError, match=r"y has values up to .* power of ten"):
            model.fit(frame, seed=1)
    else:
        model.fit(frame, seed=1)
        assert model.evaluate(frame)["r2"] > 0.8


def test_a_blend_weighs_what_each_learner_knows_and_is_restored(tmp_path):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.uniform(-2, 2, size=(500, 3)), columns=list("abc"))
    frame["y"] = frame["a"] + np.sin(3 * frame["b"]) * frame["c"] + rng.normal(size=500)
    model = described(frame)
    model.fit(frame, seed=1)
    report = model.report()
    model.save(tmp_path)
    again = load_model(tmp_path)

    assert report["ships"] == "blend"
    assert isinstance(model.learner, BlendLearner)
    assert sum(model.learner.weights) == pytest.approx(1)
    assert {"linear.weight", "linear.numbers", "lightgbm.weight", "lightgbm.n_trees"} <= report["parameters"].keys()
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))
    assert again.report() == report


def test_a_linear_model_saved_before_the_forms_still_answers_as_it_did(tmp_path):
    frame = noise(200, seed=1, signal=1.0)
    model = described(frame, algorithm="linear", parameters={"strength": 1.0})
    model.fit(frame, seed=1)
    state, arrays, _ = model.learner.dump()
    old = {name: arrays[name] for name in ("centre", "scale", "shown", "intercept")}
    weights = np.concatenate((arrays["weights"], np.zeros((4, 1))))  # each number had a column for its empty cells
    again = StandardisedLinearLearner(model.learner.columns, "regression", {})
    again.restore({"strength": state["strength"]}, {**old, "weights": weights[:8]}, {})
    rows = np.array([[40.0, 0.0, 0.0, np.nan]])
    clipped = np.clip((rows[0] - old["centre"]) / old["scale"], -5, 5)

    expected = np.nan_to_num(clipped) @ weights[:4, 0] + old["intercept"][0]
    np.testing.assert_allclose(again.answer(rows), expected)
    assert json.dumps(again.tuned)


def test_trees_of_many_classes_are_tried_in_one_size():
    parameters = LightGbmLearner.defaults
    dear = tree_shapes.shapes_for(1_437, 64, parameters, n_classes=10)
    cheap = tree_shapes.shapes_for(1_437, 4, parameters, n_classes=3)

    assert (len(dear), dear[0].learning_rate) == (1, tree_shapes.FAST)
    assert len(cheap) == 2
    assert tree_shapes.most_trees(1_437, 64, parameters, n_classes=10) == tree_shapes.MOST_DEAR
    assert tree_shapes.most_trees(1_437, 64, parameters) == 1_437
    assert tree_shapes.shapes_for(1_437, 64, parameters) == tree_shapes.shapes_for(1_437, 64, parameters, n_classes=2)
