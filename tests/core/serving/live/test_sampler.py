"""Above a rate, a random share of whole requests is counted: in proportion, whatever they hold."""

import random

import numpy as np

from core.serving.live.sampler import RequestSampler


def chosen(sampler, requests):
    """Return which requests are chosen, each given by its instant and its rows."""
    return [sampler.chooses(n, at) for at, n in requests]


def test_all_requests_are_chosen_up_to_the_rate_and_about_so_many_rows_above_it():
    sampler = RequestSampler(1_000, draw=random.Random(3).random)
    slow = [(second + k / 100, 10) for second in range(200) for k in range(100)]
    assert all(chosen(sampler, slow))
    fast = [(200 + second + k / 100, 640) for second in range(600) for k in range(100)]
    n_rows = 640 * np.array(chosen(sampler, fast)).reshape(600, 100).sum(axis=1)
    assert n_rows[:60].mean() < 8 * 1_000, "also in the first minute, which knows of none before"
    assert 0.9 < n_rows[300:].mean() / 1_000 < 1.1
    assert all(chosen(sampler, [(1_200.0, 640), (1_201.0, 640)])), "once it is slow again, all are"


def test_requests_of_all_kinds_are_chosen_in_proportion():
    draw, kinds = random.Random(4), np.random.default_rng(4).random(400_000) < 0.02
    sampler = RequestSampler(1_000, draw=draw.random)
    is_chosen = np.array(chosen(sampler, [(k / 4_000, 1) for k in range(len(kinds))]))[100_000:]
    rare = kinds[100_000:]
    n, share = int(is_chosen.sum()), float(rare.mean())
    assert abs(float(rare[is_chosen].mean()) - share) < 4 * (share * (1 - share) / n) ** 0.5


def test_callers_who_take_turns_by_the_second_have_the_same_share():
    sampler = RequestSampler(1_000, draw=random.Random(6).random)
    turns = [(second + k / 100, 200 if second % 2 else 1) for second in range(1_200) for k in range(100)]
    found = np.array(chosen(sampler, turns)).reshape(1_200, 100)[600:]
    small, large = found[::2].mean(), found[1::2].mean()
    assert 0.07 < small < 0.13
    assert abs(small - large) < 0.02


def test_one_large_batch_now_and_then_is_chosen_in_its_share_of_the_rate():
    sampler = RequestSampler(1_000, draw=random.Random(5).random)
    found = chosen(sampler, [(60.0 * k, 240_000) for k in range(2_000)])
    assert 0.38 < np.mean(found) < 0.48  # of 140,000 rows, weighed, of the minutes before


def test_a_clock_that_is_set_back_leaves_nothing_out_for_long():
    sampler = RequestSampler(1, draw=lambda: 1.0)
    assert chosen(sampler, [(1_000.0, 120), (1_001.0, 1)]) == [True, False]
    assert chosen(sampler, [(50.0, 1), (200.0, 1)]) == [False, True]
