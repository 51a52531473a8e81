"""LIME: exact on what is a line in its columns, with a spread over seeds that is reported, never hidden."""

import numpy as np
import pytest

from core.explain.explainer import Explainer, ExplainMethod
from core.explain.lime import N_SAMPLES, N_SEEDS, line_near
from core.explain.local_explanation import explain_row
from core.explain.sampling import mixed_rows
from tests.core.explain.models import small_table, table_model
from tests.core.explain.test_interactions import of_product

COLUMNS = ("size", "age", "noise", "kind")


def explainer_of(algorithm, seed=0):
    frame = small_table().head(60)
    return Explainer(table_model("price", algorithm), frame, columns=COLUMNS, method=ExplainMethod.LIME, seed=seed)


def test_a_line_in_the_kept_columns_is_found_whatever_the_weights():
    kept = np.random.default_rng(1).random((4_000, 3)) < 0.5
    slopes = line_near(kept, 2.0 * kept[:, 0] - 5.0 * kept[:, 2] + 7.0)
    assert slopes == pytest.approx([2.0, 0.0, -5.0], abs=0.05)  # the ridge shrinks a little


def test_a_linear_model_gets_its_own_contributions_within_the_spread():
    frame = small_table()
    lime = explainer_of("linear").contributions(frame.iloc[100:104])
    exact = Explainer(table_model("price", "linear"), frame.head(60), columns=COLUMNS)
    closed = exact.contributions(frame.iloc[100:104]).values
    order = [exact.players.index(name) for name in COLUMNS]
    assert lime.errors is not None
    # The mean over five seeds is off by no more than four of its standard errors, and a little by the ridge.
    off = np.abs(lime.values - closed[:, order])
    assert (off <= 4 * lime.errors / N_SEEDS**0.5 + 0.05 * np.abs(closed[:, order]) + 0.05).all()


def test_the_same_seed_gives_the_same_line_and_another_another():
    row = small_table().iloc[[150]]
    first, again, other = (explainer_of("lightgbm", seed).contributions(row) for seed in (0, 0, 7))
    assert (first.values == again.values).all()
    assert (first.values != other.values).any()
    assert (first.errors > 0).any()


def test_the_report_names_its_spread_and_how_far_the_sum_misses():
    explainer, frame = of_product()
    lime = Explainer(explainer._model, frame, columns=tuple("abcd"), method=ExplainMethod.LIME)
    found = explain_row(lime, frame.head(1), frame, reference="60 rows")
    assert found.method == "lime"
    assert found.cost == f"{N_SEEDS * N_SAMPLES:,} answers of the model a row"
    assert all(entry.error is not None and entry.error > 0 for entry in found.contributions)
    assert any("standard deviation over seeds" in note for note in found.notes)
    total = found.base + sum(entry.contribution for entry in found.contributions)
    assert found.sum_error == pytest.approx(abs(total - found.margin) / max(abs(found.margin), 1.0))


def test_mixed_rows_keep_what_is_known_and_take_the_rest_from_the_named_rows():
    frame = small_table().head(3)
    known = np.array([[True, False, False, True], [False, False, False, False]])
    others = np.array([[1, 2, 1, 0], [2, 2, 0, 1]])
    found = mixed_rows(frame, small_table().iloc[[9]].reset_index(drop=True), COLUMNS, known, others)
    row = small_table().iloc[9]
    assert (found["size"][0], found["kind"][0]) == (row["size"], row["kind"])
    assert found["noise"][0] == frame["noise"][1]
    assert found["kind"][1] == frame["kind"][1]
    assert found["size"][1] == frame["size"][2]
