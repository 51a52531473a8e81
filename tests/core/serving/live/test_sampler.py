"""Of many requests a random share is counted, of few all."""

import random
from itertools import repeat

import pytest

from core.serving.live.sampler import MEMORY_SECONDS, REQUESTS_A_SECOND, ROWS_A_SECOND, RequestSampler


def asked(sampler, seconds, requests_a_second, n_rows, *, start=0):
    """Ask for some seconds, and follow each second; return how many requests are chosen by second."""
    found = []
    for second in range(start, start + seconds):
        found.append(sum(map(sampler.chooses, repeat(n_rows, requests_a_second))))
        sampler.follow(float(second + 1))
    return found


@pytest.mark.parametrize(
    ("requests_a_second", "n_rows"),
    [
        pytest.param(1, 1, id="few single rows"),
        pytest.param(REQUESTS_A_SECOND - 5, 1, id="single rows just below the limit"),
        pytest.param(REQUESTS_A_SECOND // 2, 9, id="small requests just below the limit of rows"),
        pytest.param(1, ROWS_A_SECOND - 20, id="one large request"),
    ],
)
def test_every_request_is_chosen_up_to_the_limits(requests_a_second, n_rows):
    sampler = RequestSampler(draw=lambda: pytest.fail("a number was drawn"))
    assert asked(sampler, 300, requests_a_second, n_rows) == [requests_a_second] * 300


@pytest.mark.parametrize(
    ("requests_a_second", "n_rows", "chosen"),
    [
        pytest.param(4_000, 1, REQUESTS_A_SECOND, id="requests of one row are limited by their number"),
        pytest.param(2_000, 8, ROWS_A_SECOND / 8, id="requests of several rows by their rows"),
        pytest.param(1_000, 64, ROWS_A_SECOND / 64, id="large requests, too"),
    ],
)
def test_above_the_limits_about_as_many_are_chosen_as_the_cheaper_limit_allows(requests_a_second, n_rows, chosen):
    sampler = RequestSampler(draw=random.Random(7).random)
    found = asked(sampler, 600, requests_a_second, n_rows)[300:]
    assert sum(found) / len(found) == pytest.approx(chosen, rel=0.05)
    assert sampler.share == pytest.approx(chosen / requests_a_second, rel=0.02)


def test_what_a_request_holds_does_not_decide_whether_it_is_chosen():
    sampler = RequestSampler(draw=random.Random(7).random)
    n_asked, n_chosen = {1: 0, 50: 0}, {1: 0, 50: 0}
    order = random.Random(8)
    for second in range(600):
        for _ in range(500):
            n_rows = order.choice((1, 50))
            is_chosen = sampler.chooses(n_rows)
            if second >= 300:
                n_asked[n_rows] += 1
                n_chosen[n_rows] += is_chosen
        sampler.follow(float(second))
    small, large = (n_chosen[n] / n_asked[n] for n in (1, 50))
    assert small == pytest.approx(large, rel=0.1)


def test_a_caller_after_a_burst_does_not_wait_for_what_was_drawn_under_load():
    sampler = RequestSampler(draw=lambda: 1.0 - 1e-12)  # the most requests are passed over
    asked(sampler, 120, 5_000, 1)
    assert not sampler.chooses(1)
    sampler.follow(120.0 + 20 * MEMORY_SECONDS)
    assert sampler.share == 1.0
    assert sampler.chooses(1)


def test_a_clock_that_was_set_back_chooses_no_more_than_before():
    sampler = RequestSampler(draw=random.Random(7).random)
    asked(sampler, 120, 5_000, 1, start=100_000)
    share = sampler.share
    sampler.follow(0.0)
    assert sampler.share == share < 1.0
