"""One row: contributions by size, nearest rows, the smallest change, denied columns."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from core.errors import UsageError
from core.explain.columns import Ranks
from core.explain.counterfactual import N_VALUES, smallest_change
from core.explain.deny_list import DenyList
from core.explain.documents import DENIED
from core.explain.explainer import Explainer, ExplainMethod
from core.explain.local_explanation import explain_row
from core.training.explaining import explanation_of_function
from tests.core.explain.models import small_table, table_model

COLUMNS = ("size", "age", "noise", "kind")


def explained(place=5, target="price", algorithm="lightgbm", **more):
    frame, model = small_table(), table_model(target, algorithm)
    explainer = Explainer(model, frame.head(40), columns=COLUMNS)
    return explain_row(explainer, frame.iloc[[place]], frame.drop(columns="price"), reference="40 rows", **more)


def test_contributions_are_ordered_by_size_and_sum_to_the_answer():
    found = explained()
    sizes = [abs(entry.contribution) for entry in found.contributions]
    assert sizes == sorted(sizes, reverse=True)
    assert found.base + sum(entry.contribution for entry in found.contributions) == pytest.approx(
        found.margin, abs=1e-6
    )
    assert found.margin == pytest.approx(found.prediction, abs=1e-6)
    values = {entry.feature: entry.value for entry in found.contributions}
    row = small_table().iloc[5]
    assert values["kind"] == row["kind"]
    assert values["size"] == pytest.approx(row["size"], rel=1e-5)


def test_the_nearest_row_of_a_known_row_is_the_row_itself():
    found = explained(actual=small_table()["price"].to_numpy())
    assert found.nearest[0].row == 5
    assert found.nearest[0].distance == 0.0
    assert found.nearest[0].actual == pytest.approx(small_table()["price"].iloc[5])
    distances = [near.distance for near in found.nearest]
    assert distances == sorted(distances)


def test_an_empty_cell_is_shown_as_empty():
    place = int(np.flatnonzero(small_table()["age"].isna())[0])
    values = {entry.feature: entry.value for entry in explained(place).contributions}
    assert values["age"] is None


def test_denied_columns_appear_as_one_sum_and_cannot_change():
    denied = DenyList(["si*", "kind"])
    whole, hidden = explained(turn=">=60"), explained(denied=denied, turn=">=60")
    assert {entry.feature for entry in hidden.contributions} == {"age", "noise", DENIED}
    by_name = {entry.feature: entry.contribution for entry in whole.contributions}
    (total,) = [entry.contribution for entry in hidden.contributions if entry.feature == DENIED]
    assert total == pytest.approx(by_name["size"] + by_name["kind"])
    changed = set() if hidden.counterfactual is None else {change.feature for change in hidden.counterfactual.changes}
    assert not changed & {"size", "kind"}
    assert "size" not in str(hidden)


def test_the_smallest_change_turns_the_answer():
    found = explained(turn=">=60")
    assert found.prediction < 60
    assert found.counterfactual is not None
    assert found.counterfactual.prediction >= 60
    row = small_table().iloc[[5]].assign(**{change.feature: change.after for change in found.counterfactual.changes})
    assert table_model("price", "lightgbm").predict(row)[0] == pytest.approx(found.counterfactual.prediction, rel=1e-4)


def test_the_decision_is_turned_where_no_side_is_named():
    found = explained(target="dear", turn="")
    assert found.counterfactual is not None
    assert (found.prediction >= 0.5) != (found.counterfactual.prediction >= 0.5)


def test_a_fixed_column_does_not_change():
    found = explained(turn=">=60", fixed=["size"])
    assert found.counterfactual is None or all(change.feature != "size" for change in found.counterfactual.changes)


def test_a_row_is_no_neighbour_of_its_own():
    found = explained(own_place=5)
    assert 5 not in [near.row for near in found.nearest]
    assert len(found.nearest) == len(explained().nearest)


@pytest.mark.parametrize(
    ("fixed", "turn", "words"),
    [
        (["sise"], ">=60", "'sise' is fixed, and no column of the row; choose from .*size"),
        (["size"], None, "is to turn"),
    ],
)
def test_a_fixed_column_that_does_nothing_is_refused(fixed, turn, words):
    with pytest.raises(UsageError, match=words):
        explained(turn=turn, fixed=fixed)


def test_a_change_of_a_number_of_many_digits_turns_the_answer_as_it_is_shown():
    rows = pd.DataFrame({"level": np.arange(1_234_561, 1_234_601), "flag": [False, True] * 20})
    found = explanation_of_function(
        lambda frame: frame["level"].to_numpy(dtype=float) - 1_234_560, rows, row=0, turn=">=4", fixed=["flag"]
    )
    (change,) = found.counterfactual.changes
    assert change.before == 1_234_561
    assert change.after - 1_234_560 == found.counterfactual.prediction >= 4


def test_a_flag_changes_into_a_flag():
    rows = pd.DataFrame({"flag": [False, True] * 20, "size": np.arange(40.0)})
    found = explanation_of_function(
        lambda frame: frame["flag"].to_numpy(dtype=float), rows, row=0, turn=">=0.5", fixed=["size"]
    )
    (change,) = found.counterfactual.changes
    assert (change.before, change.after) == ("false", "true")


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        ("60", "is no side of a number"),
        (">=x", "is no side of a number"),
        ("<=900", "is already <=900"),
        ("", "decides nothing"),
    ],
)
def test_a_turn_that_cannot_be_read_is_refused(turn, words):
    with pytest.raises(UsageError, match=words):
        explained(turn=turn)


def test_a_change_that_nothing_makes_is_said():
    found = explained(turn=">=9000")
    assert found.counterfactual is None
    assert "No change of up to three columns turns the answer." in found.notes


@pytest.mark.parametrize("limit", [0.9, 1.4, 1.9, 2.6])
def test_the_smallest_change_is_minimal_against_every_change_of_a_small_grid(limit):
    rng = np.random.default_rng(3)
    reference = pd.DataFrame(rng.integers(0, 4, (60, 3)).astype(float), columns=["a", "b", "c"])
    row = pd.DataFrame({"a": [0.0], "b": [0.0], "c": [0.0]})

    def predict(frame):
        return (frame["a"] * 0.4 + frame["b"] * 0.3 * (frame["c"] > 1) + frame["c"] * 0.25).to_numpy()

    found = smallest_change(row, reference, ["a", "b", "c"], predict, lambda answers: answers >= limit)
    ranks = Ranks(reference, ["a", "b", "c"])
    grid = {name: ranks.grid(name, N_VALUES[0]) for name in ranks.names}
    best = None
    for values in product(*(grid[name] for name in ranks.names)):
        changed = pd.DataFrame([values], columns=list(ranks.names))
        if predict(changed)[0] >= limit:
            n_changes = sum(value != 0.0 for value in values)
            distance = sum(float(ranks.distance(name, changed[name], row[name])[0]) for name in ranks.names)
            best = min(best or (9, 9.0), (n_changes, distance))
    assert best is not None
    assert found is not None
    assert len(found.changes) == best[0]
    assert found.distance == pytest.approx(best[1])


def test_against_a_reference_row_only_what_differs_contributes():
    frame, model = small_table(), table_model("price", "lightgbm")
    reference = frame.iloc[[9]].assign(kind=frame["kind"].iloc[5], age=frame["age"].iloc[5])
    explainer = Explainer(model, reference, columns=COLUMNS, method=ExplainMethod.BACKGROUND)
    found = explain_row(explainer, frame.iloc[[5]], frame, reference="row 9")
    by_name = {entry.feature: entry.contribution for entry in found.contributions}
    assert by_name["kind"] == by_name["age"] == 0.0
    assert found.base == pytest.approx(model.predict(reference)[0])


def test_three_categories_of_many_levels_are_searched_to_the_end():
    rng = np.random.default_rng(4)
    letters = np.array(list("abcdefghijklmnopqrstuvwxy"))
    reference = pd.DataFrame({name: rng.choice(letters, 2_000) for name in "pqrst"})
    row = pd.DataFrame({name: ["a"] for name in "pqrst"})

    def predict(frame):
        """Only three rare cells together, of the last columns, make an event."""
        return ((frame["r"] == "x") & (frame["s"] == "y") & (frame["t"] == "w")).to_numpy(dtype=np.float64)

    found = smallest_change(row, reference, list("pqrst"), predict, lambda answers: answers >= 0.5)
    assert found is not None
    assert {(each.feature, each.after) for each in found.changes} == {("r", "x"), ("s", "y"), ("t", "w")}
