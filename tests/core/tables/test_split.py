"""No split leaks from one side to the other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.tables.split import hold_out


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31 - 1),
    n=st.integers(40, 300),
    n_groups=st.integers(4, 40),
    n_days=st.integers(3, 60),
    share=st.floats(0.1, 0.5),
)
def test_no_group_is_on_both_sides_and_no_training_row_is_later_than_a_held_out_row(seed, n, n_groups, n_days, share):
    rng = np.random.default_rng(seed)
    group = np.concatenate((np.arange(n_groups), rng.integers(0, n_groups, n)))
    time = np.concatenate((np.arange(n_groups) % n_days, rng.integers(0, n_days, n)))

    by_group = hold_out(len(group), share, seed=seed, group=group)
    assert not set(group[by_group.learn]) & set(group[by_group.held])
    assert (by_group.learn ^ by_group.held).all()

    by_time = hold_out(len(group), share, seed=seed, time=time)
    assert time[by_time.learn].max() < time[by_time.held].min()

    try:
        both = hold_out(len(group), share, seed=seed, group=group, time=time)
    except ValueError:
        return
    assert not set(group[both.learn]) & set(group[both.held])
    assert time[both.learn].max() < time[both.held].min()


def test_both_sides_have_the_same_mix_of_classes():
    classes = np.array([0] * 900 + [1] * 100)

    split = hold_out(1_000, 0.2, seed=3, classes=classes)

    assert classes[split.held].sum() == 20
    assert split.held.sum() == 200


def test_the_same_seed_holds_out_the_same_rows_and_another_seed_other_rows():
    first, again, other = (hold_out(200, 0.2, seed=seed).held for seed in (1, 1, 2))

    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param({"group": np.zeros(50, int)}, "only 1 groups", id="one group"),
        pytest.param({"time": np.zeros(50, int)}, "the same time", id="one instant"),
    ],
)
def test_a_split_with_an_empty_side_is_refused_with_the_reason(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        hold_out(50, 0.2, seed=1, **arguments)
