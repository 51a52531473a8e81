"""Which columns are kept: those that say something of new groups, and none of those that say nothing."""

import numpy as np
import pytest

from core.models.features.selection import least_wins, selected
from core.models.features.shadows import shadows_of
from tests.truth import most_expected

METHODS = ("importance", "mutual_information", "recursive")


def rows(rng, *, n_groups=80, per_group=6, n_null=8):
    """Three columns matter, one of them a code; the others say nothing, half of them constant within a group."""
    group = np.repeat(np.arange(n_groups), per_group)
    n = len(group)
    strong, weak, code = rng.normal(size=n), rng.normal(size=n), rng.integers(0, 4, n).astype(float)
    within = rng.normal(size=(n_groups, n_null // 2))[group]
    apart = rng.normal(size=(n, n_null - n_null // 2))
    own = rng.normal(size=n_groups)[group]
    score = 2.0 * strong + 1.2 * weak + 1.5 * (code == 2) + 0.7 * own + 0.7 * rng.normal(size=n)
    names = ("strong", "weak", "code", *(f"null {k}" for k in range(n_null)))
    return np.column_stack((strong, weak, code, within, apart)), score, group, names


def verdicts(data, *, method="importance", most=30, is_class=False, seed=0):
    matrix, score, group, names = data
    target = (score > np.median(score)).astype(float) if is_class else score
    return selected(
        matrix, target, group, names, [2], method=method, most=most, is_class=is_class, n_folds=3, seed=seed
    )


def kept(found):
    return {each.name for each in found if each.is_kept}


@pytest.mark.parametrize("is_class", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_what_matters_is_kept_and_what_says_nothing_falls(method, is_class):
    found = kept(verdicts(rows(np.random.default_rng(4)), method=method, is_class=is_class))

    assert "strong" in found
    assert not any(name.startswith("null") for name in found)
    if not is_class and method != "mutual_information":  # which sees a column alone, under the noise of the others
        assert {"strong", "weak"} <= found


@pytest.mark.truth
@pytest.mark.parametrize("method", ["importance", "recursive"])
def test_columns_that_say_nothing_are_hardly_ever_kept(method, truth):
    """Also those that are constant within groups, whose group effects trees learn by heart."""
    n, wrong = 12 * truth.scale, 0
    for seed in range(n):
        rng = np.random.default_rng(seed)
        wrong += any(name.startswith("null") for name in kept(verdicts(rows(rng), method=method, seed=seed)))

    truth.at_most(wrong / n, most_expected(0.05, n), n=n)


def test_the_most_columns_bound_the_choice_and_the_strongest_stay():
    assert kept(verdicts(rows(np.random.default_rng(4)), most=1)) == {"strong"}


def test_where_nothing_matters_one_column_stays():
    matrix, _, group, names = rows(np.random.default_rng(5))
    noise = np.random.default_rng(6).normal(size=len(group))

    found = selected(matrix, noise, group, names, [2], method="importance", most=9, is_class=False, n_folds=3, seed=1)

    assert len(kept(found)) == 1


def test_the_same_seed_gives_the_same_choice_and_the_folds_are_told():
    data = rows(np.random.default_rng(7))

    one, again = verdicts(data), verdicts(data)

    assert one == again
    assert one[0].kept_on == 1.0
    assert {round(each.kept_on * 3) for each in one} <= {0, 1, 2, 3}
    assert all(each.shadow > 0 for each in one)


def test_a_shadow_is_another_group_s_rows_and_as_alike_within_groups():
    rng = np.random.default_rng(8)
    matrix, _, group, _ = rows(rng)
    sizes = rng.integers(1, 7, 80)
    keep = np.concatenate([np.flatnonzero(group == g)[:n] for g, n in enumerate(sizes)])
    matrix, group = matrix[keep], group[keep]

    shadow = shadows_of(matrix, group, rng)

    of_group = [shadow[group == g, 3] for g in range(80)]
    assert all(len(set(values)) == 1 for values in of_group)  # that column is constant within groups
    assert all(values[0] not in matrix[group == g, 3] for g, values in enumerate(of_group))


def test_luck_alone_wins_too_few_rounds():
    assert least_wins(12, 30) == 12
    assert least_wins(200, 30) < 140
