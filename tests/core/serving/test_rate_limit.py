"""The limit on requests of the control API: each caller has its own, a burst is served, and time fills it again."""

import pytest

from core.serving.access import Role, Tokens
from core.serving.control.admission import RATE_LIMIT
from core.serving.rate_limit import MOST_CALLERS, RateLimit
from tests.clocks import HandSeconds


def test_each_caller_has_a_minutes_requests_at_once_and_more_as_time_passes():
    seconds = HandSeconds()
    limit = RateLimit(6, monotonic=seconds)
    assert [limit.wait_seconds("ana") for _ in range(6)] == [0.0] * 6
    assert limit.wait_seconds("ana") == pytest.approx(10.0)
    assert limit.wait_seconds("ben") == 0.0
    seconds.pass_by(10.0)
    assert limit.wait_seconds("ana") == 0.0
    assert limit.wait_seconds("ana") > 0


def test_a_bucket_holds_no_more_than_a_minute():
    seconds = HandSeconds()
    limit = RateLimit(2, monotonic=seconds)
    seconds.pass_by(3600.0)
    assert [limit.wait_seconds("ana") > 0 for _ in range(3)] == [False, False, True]


def test_without_a_limit_nobody_waits():
    limit = RateLimit(None)
    assert {limit.wait_seconds("ana") for _ in range(100)} == {0.0}


def test_callers_without_end_take_no_memory_without_end():
    limit = RateLimit(1, monotonic=HandSeconds())
    for number in range(MOST_CALLERS + 10):
        limit.wait_seconds(str(number))
    assert len(limit._buckets) == MOST_CALLERS


def test_one_request_too_many_is_answered_with_429_and_when_to_ask_again_refused_ones_too(api, workspace, ana):
    api.app.state[RATE_LIMIT] = RateLimit(2, monotonic=HandSeconds())
    viewer = {"authorization": f"Bearer {Tokens(workspace).create('viewer', Role.VIEWER, actor=ana)[1]}"}
    assert [api.get("/api/v1/status").status_code for _ in range(3)] == [200, 200, 429]
    assert api.get("/api/v1/status").headers["retry-after"] == "30"
    assert [api.get("/api/v1/tokens", headers=viewer).status_code for _ in range(3)] == [403, 403, 429]
