"""Of many requests a random share is counted, of few all."""

import random
from collections import Counter
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
        pytest.param(1_500, 1, REQUESTS_A_SECOND, id="requests of one row are limited by their number"),
        pytest.param(800, 8, ROWS_A_SECOND / 8, id="requests of several rows by their rows"),
        pytest.param(1_000, 64, ROWS_A_SECOND / 64, id="large requests, too"),
    ],
)
def test_above_the_limits_about_as_many_are_chosen_as_the_cheaper_limit_allows(requests_a_second, n_rows, chosen):
    sampler = RequestSampler(draw=random.Random(7).random)
    found = asked(sampler, 540, requests_a_second, n_rows)[300:]
    assert sum(found) / len(found) == pytest.approx(chosen, rel=0.05)
    assert sampler.share == pytest.approx(chosen / requests_a_second, rel=0.02)


def test_the_first_minute_of_a_burst_knows_of_none_before_and_is_bounded_too():
    found = asked(RequestSampler(draw=random.Random(3).random), 60, 4_000, 1)
    assert REQUESTS_A_SECOND * MEMORY_SECONDS < sum(found) < 5 * REQUESTS_A_SECOND * MEMORY_SECONDS


def test_a_share_that_the_other_thread_sets_to_all_while_a_number_is_drawn_is_no_fault():
    def draw() -> float:
        if followed:
            sampler.follow(followed.pop())
        return 0.5

    followed: list[float] = []
    sampler = RequestSampler(draw=draw)
    asked(sampler, 60, 4_000, 1)
    followed.append(100 * MEMORY_SECONDS)  # long after: few requests again
    while not sampler.chooses(1):
        pass
    assert (followed, sampler.share) == ([], 1.0)
    sampler.follow(101 * MEMORY_SECONDS)
    assert sampler.chooses(1)


def test_requests_of_all_kinds_are_chosen_in_proportion():
    kinds = random.Random(8)
    sampler = RequestSampler(draw=random.Random(7).random)
    n_asked, n_chosen = Counter[int](), Counter[int]()
    for second in range(300):
        for _ in range(800):
            n_rows = 50 if kinds.random() < 0.05 else 1
            is_chosen = sampler.chooses(n_rows)
            if second >= 200:
                n_asked[n_rows] += 1
                n_chosen[n_rows] += is_chosen
        sampler.follow(float(second))
    n, share = n_chosen.total(), n_asked[50] / n_asked.total()
    assert abs(n_chosen[50] / n - share) < 4 * (share * (1 - share) / n) ** 0.5


def test_callers_who_take_turns_by_the_second_have_the_same_share():
    sampler = RequestSampler(draw=random.Random(6).random)
    found = [asked(sampler, 1, 100, 200 if second % 2 else 1, start=second)[0] for second in range(1_200)][600:]
    small, large = sum(found[::2]) / 30_000, sum(found[1::2]) / 30_000
    assert 0.07 < small < 0.13
    assert abs(small - large) < 0.02


def test_one_large_batch_now_and_then_is_chosen_in_its_share_of_the_rate():
    sampler = RequestSampler(draw=random.Random(5).random)
    found = []
    for minute in range(2_000):
        sampler.follow(60.0 * minute)
        found.append(sampler.chooses(240_000))
        sampler.follow(60.0 * minute)
    assert 0.38 < sum(found) / len(found) < 0.48  # of 140,000 rows, weighed, of the minutes before


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
