"""How sure importances are: the coverage of their intervals and ranks, and false alarms of a comparison, simulated."""

import numpy as np
import pytest

from core.explain.comparison import compare_explanations
from core.explain.documents import FeatureImportance, GlobalExplanation
from core.explain.importance_figures import importance_figures

CLOSE = np.array([1.0, 0.98, 0.96, 0.94, 0.92, 0.9, 0.88, 0.86])
APART = np.array([8.0, 4.0, 2.0, 1.0, 0.5, 0.25, 0.12, 0.06])


def drawn(rng, truth, n, n_groups=None):
    """Draw sizes of contributions, half of each of them shared by the rows of a group."""
    own = rng.exponential(size=(n, len(truth)))
    if n_groups is None:
        return own * truth, np.arange(n)
    groups = np.arange(n) % n_groups
    return 0.5 * (own + rng.exponential(size=(n_groups, len(truth)))[groups]) * truth, groups


def explanation(sizes, units):
    found = importance_figures(sizes, units)
    features = tuple(
        FeatureImportance(
            feature=f"c{k}",
            importance=float(found.means[k]),
            low=float(found.low[k]),
            high=float(found.high[k]),
            share=float(found.shares[k]),
            best_rank=int(found.best_ranks[k]),
            worst_rank=int(found.worst_ranks[k]),
            share_error=float(found.share_errors[k]),
        )
        for k in range(sizes.shape[1])
    )
    return GlobalExplanation(
        n_rows=len(sizes), n_units=len(set(units.tolist())), base=0.0, reference="", scale="", algorithm="", method="",
        cost="", sum_error=0.0, features=features,
    )  # fmt: skip


@pytest.mark.truth
@pytest.mark.parametrize("truth_of", [CLOSE, APART], ids=["close together", "apart"])
@pytest.mark.parametrize(("n", "n_groups"), [(20, None), (50, None), (200, None), (200, 5), (200, 20)])
def test_intervals_and_ranks_hold_the_truth(truth, truth_of, n, n_groups):
    n_times, rng = 150 * truth.scale, np.random.default_rng(n)
    inside, ranked = np.zeros(len(truth_of)), np.zeros(len(truth_of))
    rank = 1 + np.arange(len(truth_of))
    for _ in range(n_times):
        found = importance_figures(*drawn(rng, truth_of, n, n_groups))
        assert (found.low < found.high).all()
        inside += (found.low <= truth_of) & (truth_of <= found.high)
        ranked += (found.best_ranks <= rank) & (rank <= found.worst_ranks)
    assert 0.925 <= inside.mean() / n_times <= 0.99
    assert ranked.min() / n_times >= 0.95 - 3 * (0.05 * 0.95 / n_times) ** 0.5


@pytest.mark.truth
@pytest.mark.parametrize(("n", "n_groups"), [(30, None), (200, None), (200, 10)])
def test_two_versions_that_rely_on_the_same_hardly_ever_differ_clearly(truth, n, n_groups):
    n_times, rng, n_false = 200 * truth.scale, np.random.default_rng(7), 0
    many = np.linspace(1.0, 0.2, 30)
    for _ in range(n_times):
        before, after = (explanation(*drawn(rng, many, n, n_groups)) for _ in range(2))
        n_false += any(entry.is_clear for entry in compare_explanations(before, after))
    assert n_false / n_times <= 0.05 + 3 * (0.05 * 0.95 / n_times) ** 0.5


def test_what_is_far_apart_has_its_rank_and_a_change_of_it_is_clear():
    rng = np.random.default_rng(1)
    before = explanation(*drawn(rng, APART, 400))
    assert [(each.best_rank, each.worst_rank) for each in before.features] == [(k, k) for k in range(1, 9)]
    after = explanation(*drawn(rng, APART[::-1], 400))
    changed = {entry.feature for entry in compare_explanations(before, after) if entry.is_clear}
    assert {"c0", "c1", "c6", "c7"} <= changed


def test_rows_of_one_group_have_no_interval_and_any_rank():
    found = importance_figures(np.random.default_rng(1).exponential(size=(50, 3)), np.zeros(50, dtype=np.int64))
    assert np.isnan(found.low).all()
    assert np.isnan(found.share_errors).all()
    assert found.best_ranks.tolist() == [1, 1, 1]
    assert found.worst_ranks.tolist() == [3, 3, 3]


def test_a_column_that_never_moved_an_answer_may_do_so_in_other_groups():
    sizes = np.column_stack((np.random.default_rng(1).exponential(size=100), np.zeros(100)))
    found = importance_figures(sizes, np.arange(100))
    assert found.low[1] == 0.0
    assert 0.0 < found.high[1] < 0.1
