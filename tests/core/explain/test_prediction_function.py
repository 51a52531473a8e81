"""Any function of rows is explained: as a whole, or its answer to one row; what it does wrong is named."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bondx.ml import explain_function
from core.errors import NotFoundError, UsageError
from core.explain.documents import DENIED, SUM_TOLERANCE, GlobalExplanation
from core.explain.parts import NotAdditiveError
from core.training.explaining import affordable_rows


@pytest.fixture
def frame():
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {"size": rng.normal(size=120), "age": rng.integers(0, 9, 120), "kind": rng.choice(["x", "y"], 120), "idle": 1.0}
    )


def price(rows):
    """Return two numbers a row: the second is the first times ten."""
    assert isinstance(rows, pd.DataFrame)
    first = 3 * rows["size"] + 0.5 * rows["age"] * (rows["kind"] == "y")
    rows["size"] = 0.0  # what a function does to its rows is its own
    return np.column_stack((first, 10 * first))


def of_array(rows):
    return 2.0 * rows[:, 0] + rows[:, 1] * rows[:, 2]


def test_a_row_is_explained_by_all_coalitions_of_few_columns(frame):
    found = explain_function(price, frame, row=5, output=0)
    parts = {part.feature: part.contribution for part in found.contributions}
    assert found.base + sum(parts.values()) == pytest.approx(found.prediction, abs=1e-9)
    assert found.prediction == pytest.approx(price(frame.iloc[[5]].copy())[0, 0])
    assert parts["idle"] == 0.0
    background = frame.iloc[np.sort(np.random.default_rng(0).permutation(120)[:100])]
    assert parts["size"] == pytest.approx(3 * (frame["size"][5] - background["size"].mean()))
    assert found.scale == "the model's answer"
    assert "all 16 coalitions" in found.algorithm


def test_of_several_numbers_the_named_one_is_explained(frame):
    first, second = (explain_function(price, frame, row=5, output=output) for output in (0, 1))
    assert second.margin == pytest.approx(10 * first.margin)
    with pytest.raises(UsageError, match="returns 2 numbers a row: choose the explained number, output=0 to output=1"):
        explain_function(price, frame, row=5)
    with pytest.raises(UsageError, match=r"output is 2: it must be from 0 to 1\. The function 'price' returns 2"):
        explain_function(price, frame, row=5, output=2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_array_gives_the_function_arrays_of_its_type(dtype):
    rows = np.random.default_rng(2).normal(size=(90, 3)).astype(dtype)

    def typed(some):
        assert type(some) is np.ndarray
        assert some.dtype == dtype
        return of_array(some)

    whole = explain_function(typed, rows)
    assert isinstance(whole, GlobalExplanation)
    assert whole.features[0].feature == "feature_0"
    assert whole.sum_error <= SUM_TOLERANCE
    assert explain_function(typed, rows, row=np.int64(4)).sum_error <= SUM_TOLERANCE


def test_a_single_precision_function_that_rounds_by_batch_still_sums():
    rows = np.random.default_rng(3).normal(size=(60, 4))

    def rounds(some):
        """Answers like a network on other hardware: off by its batch, in the seventh digit."""
        return 1000.0 * (1 + 1e-7 * np.log(len(some))) * some.sum(axis=1)

    assert explain_function(rounds, rows, row=0, method="permutation").sum_error <= 1e-12
    many = np.random.default_rng(3).normal(size=(60, 11))
    assert explain_function(rounds, many, row=0).sum_error <= 1e-12
    assert explain_function(rounds, many, n_rows=6).sum_error <= 1e-12


def test_groups_are_counted_and_denied_columns_are_one(frame):
    found = explain_function(
        price, frame, output=0, groups=[f"g{k // 4}" for k in range(120)], denied_columns=["a*"], n_rows=40
    )
    assert found.n_units <= 30
    assert {entry.feature for entry in found.features} == {"size", "kind", "idle", DENIED}
    assert "age" not in str(found)


def test_the_smallest_change_is_searched_where_a_side_is_named(frame):
    found = explain_function(price, frame, row=5, output=0, turn=">=4", fixed=["age"])
    assert found.counterfactual is not None
    assert found.counterfactual.prediction >= 4
    assert {change.feature for change in found.counterfactual.changes} <= {"size", "kind"}
    with pytest.raises(UsageError, match="decides nothing, so say which answer counts as turned"):
        explain_function(price, frame, row=5, output=0, turn="")


def test_cells_of_a_row_are_as_good_as_its_position(frame):
    cells = frame.iloc[7].to_dict()
    one, other = (explain_function(price, frame, row=row, output=0) for row in (7, cells))
    assert one.contributions == other.contributions


def test_how_much_the_reference_rows_matter_is_said():
    rows = np.random.default_rng(4).normal(size=(400, 3))
    found = explain_function(of_array, rows, row=0)
    errors = {part.feature: part.error for part in found.contributions}
    # Of a linear term it is that of the mean of a hundred values.
    assert errors["feature_0"] == pytest.approx(2.0 / 10.0, rel=0.7)
    assert any("standard error over the choice of the reference rows" in note for note in found.notes)
    whole = explain_function(of_array, rows)
    assert all(entry.reference_error is not None and entry.reference_error > 0 for entry in whole.features)
    assert any(note.startswith("Other reference rows would change the importances: ") for note in whole.notes)


def broken(rows):
    raise RuntimeError("no weights")


def short(rows):
    return np.zeros(max(len(rows) - 1, 1))


def empty(rows):
    return np.full(len(rows), np.nan)


def random(rows):
    return np.random.default_rng().normal(size=len(rows))


def by_batch(rows):
    return (rows - rows.mean(axis=0)).sum(axis=1)


def wordy(rows):
    return ["high"] * len(rows)


@pytest.mark.parametrize(
    ("predict", "problem"),
    [
        (broken, "'broken' failed on 64 rows: RuntimeError: no weights"),
        (short, r"returned the shape \(63,\) for 64 rows"),
        (empty, "returned no number for 64 of 64 rows"),
        (random, "answers the same row differently the second time"),
        (by_batch, "answers the same row differently beside other rows"),
        (wordy, "failed on 64 rows: ValueError"),
        ("net", "predict is .*; it must be a function of rows"),
    ],
)
def test_a_function_that_cannot_be_explained_is_named(predict, problem):
    with pytest.raises(UsageError, match=problem):
        explain_function(predict, np.random.default_rng(5).normal(size=(80, 3)))


@pytest.mark.parametrize(
    ("words", "kind", "problem"),
    [
        ({"rows": np.zeros(5)}, UsageError, "rows must be a data frame, or an array of numbers"),
        ({"rows": np.array([["a"]])}, UsageError, "rows must be a data frame, or an array of numbers"),
        ({"rows": np.zeros((0, 3))}, UsageError, "rows has 0 rows and 3 columns"),
        ({"rows": pd.DataFrame(np.zeros((3, 3)))}, UsageError, "columns with names"),
        ({"background": np.zeros((4, 2))}, UsageError, "background lacks columns of the rows: 'feature_2'"),
        ({"row": 80}, NotFoundError, "There is no row 80: they are numbered 0 to 79"),
        ({"row": -1}, NotFoundError, "There is no row -1"),
        ({"row": "first"}, UsageError, "row is .*; it must be the position of a row, or its cells by name"),
        ({"row": True}, UsageError, "row is .*; it must be the position of a row, or its cells by name"),
        ({"row": {"feature_0": 1.0}}, UsageError, "row lacks 'feature_1', 'feature_2'"),
        ({"row": {"feature_9": 1.0}}, UsageError, "row has 'feature_9'"),
        (
            {"row": {"feature_0": "x", "feature_1": 0, "feature_2": 0}},
            UsageError,
            "row has a cell that its column cannot hold",
        ),
        ({"groups": ["a"]}, UsageError, "groups has 1 values for 80 rows"),
        ({"groups": 7}, UsageError, "groups is '7'; it must have a value for each row"),
        ({"n_rows": 0}, UsageError, "n_rows is 0"),
        ({"n_rows": -3}, UsageError, "n_rows is -3"),
        ({"turn": ">=1"}, UsageError, "go with one row"),
        ({"row": 1, "n_rows": 5}, UsageError, "of a function as a whole"),
        ({"method": "guess"}, UsageError, "method is 'guess'; it must be one of"),
        ({"method": "background"}, NotAdditiveError, "cannot be explained by background: The model has only a pred"),
    ],
)
def test_bad_input_is_refused(words, kind, problem):
    words = {"rows": np.random.default_rng(5).normal(size=(80, 3)), **words}
    with pytest.raises(kind, match=problem):
        explain_function(of_array, **words)


@pytest.mark.parametrize(
    ("is_sampled", "answers_a_row", "n_rows"),
    [(True, 409_401, 10), (True, 80_000, 50), (True, 200, 100), (False, 0, 500)],
    ids=["all coalitions of twelve columns", "of ten", "sampled orders", "exact algorithm"],
)
def test_a_model_as_a_whole_is_asked_a_bounded_number_of_times(is_sampled, answers_a_row, n_rows):
    explainer = SimpleNamespace(is_sampled=is_sampled, answers_a_row=answers_a_row, cost="much")
    found, notes = affordable_rows(explainer, 500)
    assert found == n_rows
    assert notes == ((f"Only {n_rows} rows are explained, since each row costs much.",) if is_sampled else ())
