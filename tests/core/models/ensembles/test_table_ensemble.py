"""Ensembles of tables: the rows that judge them settled nothing."""

from dataclasses import replace

import numpy as np
import pytest

from core.executors.in_force import running_on
from core.executors.processes import ProcessExecutor
from core.models.learners.algorithms import fit_once
from core.models.learners.samples import JudgingFold, Matrices, Sample

N = 160


@pytest.fixture(scope="module")
def workers():
    found = ProcessExecutor(2)
    yield found
    found.close()


GROUPED = [JudgingFold(np.flatnonzero(np.arange(N) % 2 != k), np.flatnonzero(np.arange(N) % 2 == k)) for k in range(2)]
IN_TIME = [JudgingFold(np.arange(first), np.arange(first, first + 40)) for first in (80, 120)]


class Columns:
    """Two numbers."""

    tree_columns = ("column_0", "column_1")
    n_levels = (0, 0)
    category_positions: list[int] = []


def sample(task):
    rng = np.random.default_rng(4)
    matrix = rng.normal(size=(N, 2))
    signal = matrix[:, 0] + np.sin(3 * matrix[:, 1]) + 0.3 * rng.normal(size=N)
    target = signal if task == "regression" else (signal > 0).astype(np.float64)
    return Sample(Matrices.of(matrix), target, np.ones(N), np.arange(N) // 2 % 40)


def made(name, task, **more):
    parameters = {"members": "linear, hist_gradient_boosting", "max_iter": 8, **more}
    return fit_once(name)(Columns(), task, parameters, n_classes=2)


@pytest.mark.parametrize("folds", [GROUPED, IN_TIME], ids=["groups", "windows in time"])
@pytest.mark.parametrize(
    ("name", "task", "more"),
    [
        pytest.param("voting", "regression", {"voting": "weighted", "folds": 3}, id="weighted voting"),
        pytest.param("blending", "classification", {}, id="blending"),
        pytest.param("stacking", "regression", {"folds": 3}, id="stacking"),
        pytest.param("stacking", "classification", {"folds": 3, "meta_learner": "lightgbm"}, id="stacking with trees"),
    ],
)
def test_the_targets_of_the_judged_rows_change_no_answer_to_them(name, task, more, folds):
    rows = sample(task)
    answers = made(name, task, **more).tune(rows, folds, seed=1)

    for k, fold in enumerate(folds):
        target = rows.target.copy()
        target[fold.judge] = target[fold.judge][::-1] if task == "regression" else 1 - target[fold.judge]
        again = made(name, task, **more).tune(replace(rows, target=target), folds, seed=1)
        np.testing.assert_array_equal(again[k], answers[k])


def test_later_rows_settle_nothing_of_what_answers_earlier_windows():
    rows = sample("regression")
    answers = made("stacking", "regression", folds=3).tune(rows, IN_TIME, seed=1)
    target = rows.target.copy()
    target[120:] = 99.0

    again = made("stacking", "regression", folds=3).tune(replace(rows, target=target), IN_TIME, seed=1)

    np.testing.assert_array_equal(again[0], answers[0])


def test_the_account_lists_members_with_weights_and_shares():
    learner = made("blending", "regression")
    learner.tune(sample("regression"), GROUPED, seed=1)

    account = learner.account()

    assert [entry["member"] for entry in account["members"]] == ["linear", "hist_gradient_boosting"]
    assert sum(entry["weight"] for entry in account["members"]) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["blending", "voting"])
def test_the_weights_of_the_ensemble_of_a_table_keep_their_bounds(name):
    more = {"voting": "weighted"} if name == "voting" else {}
    learner = made(name, "regression", weight_bounds="linear 0.45 to 0.55", **more)
    learner.tune(sample("regression"), GROUPED, seed=1)

    account = learner.account()

    assert 0.45 <= account["members"][0]["weight"] <= 0.55
    assert account["weight_bounds"] == {"linear": (0.45, 0.55)}


def test_the_same_rows_give_the_same_bytes_and_a_file_the_same_answers():
    one, two = made("stacking", "classification", folds=3), made("stacking", "classification", folds=3)
    for learner in (one, two):
        learner.tune(sample("classification"), GROUPED, seed=1)
        learner.learn(sample("classification"), seed=1)

    (state, arrays, files), (other_state, other_arrays, other_files) = one.dump(), two.dump()
    assert (state, files) == (other_state, other_files)
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, other_arrays[key])
    again = made("stacking", "classification", folds=3)
    again.restore(state, arrays, dict(files))
    matrix = sample("classification").matrices.trees
    np.testing.assert_array_equal(again.answer(matrix), one.answer(matrix))


@pytest.mark.parametrize("folds", [GROUPED, IN_TIME], ids=["groups", "windows in time"])
@pytest.mark.parametrize(("name", "task"), [("stacking", "classification"), ("voting", "regression")])
def test_worker_processes_settle_the_same_ensemble(name, task, folds, workers):
    rows, more = sample(task), {"voting": "weighted"} if name == "voting" else {"folds": 3}
    here, there = made(name, task, **more), made(name, task, **more)

    expected = here.tune(rows, folds, seed=1)
    with running_on(workers):
        found = there.tune(rows, folds, seed=1)

    assert [answers.tobytes() for answers in found] == [answers.tobytes() for answers in expected]
    assert there.dump()[0] == here.dump()[0]
    assert there.tuned == here.tuned
