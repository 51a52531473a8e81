"""Above a rate, a random share of whole requests is counted: in proportion, whatever they hold."""

import random

import numpy as np

from core.serving.live.sampler import RequestSampler


def chosen(sampler, requests):
    """Return which requests are chosen, each given by its instant and its rows."""
    return [sampler.chooses(n, at) for at, n in requests]


def test_all_requests_are_chosen_up_to_the_rate_and_about_so_many_rows_above_it():
    sampler = RequestSampler(1_000, draw=random.Random(3).random)
    slow = [(second + k / 100, 10) for second in range(5) for k in range(100)]
    assert all(chosen(sampler, slow))
    fast = [(5 + second + k / 1_000, 64) for second in range(60) for k in range(1_000)]
    found = chosen(sampler, fast)
    assert all(found[:1_000]), "of the first second, nothing is known before"
    n_rows = 64 * sum(found[1_000:])
    assert 0.9 < n_rows / (59 * 1_000) < 1.1
    assert all(chosen(sampler, [(70.0, 64), (80.0, 64)])), "once it is slow again, all are"


def test_requests_of_all_kinds_are_chosen_in_proportion():
    draw, kinds = random.Random(4), np.random.default_rng(4).random(200_000) < 0.02
    sampler = RequestSampler(1_000, draw=draw.random)
    is_chosen = np.array(chosen(sampler, [(k / 10_000, 1) for k in range(len(kinds))]))[10_000:]
    rare = kinds[10_000:]
    n, share = int(is_chosen.sum()), float(rare.mean())
    assert abs(float(rare[is_chosen].mean()) - share) < 4 * (share * (1 - share) / n) ** 0.5


def test_one_large_batch_now_and_then_is_chosen_in_its_share_of_the_rate():
    sampler = RequestSampler(1_000, draw=random.Random(5).random)
    found = chosen(sampler, [(60.0 * k, 120_000) for k in range(2_000)])
    assert 0.45 < np.mean(found) < 0.55


def test_a_clock_that_is_set_back_leaves_nothing_out_for_long():
    sampler = RequestSampler(10, draw=lambda: 1.0)
    assert chosen(sampler, [(100.0, 1_000), (101.0, 1_000)]) == [True, False]
    assert chosen(sampler, [(50.0, 1), (51.0, 1)]) == [False, True]
