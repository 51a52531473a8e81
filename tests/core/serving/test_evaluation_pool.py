"""Expressions over HTTP have a few threads of their own: however many are sent, the other paths answer."""

import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from core.actor import Actor, Origin
from core.alerts.evaluation.source import RecordedSource
from core.serving.access import Role, Tokens
from core.serving.control.evaluation_pool import MOST_AT_ONCE
from core.serving.server import Server
from tests.waiting import PATIENCE_SECONDS, until

N_CALLERS = 45
"""More than the threads that all paths share."""
EVAL = "/api/v1/rules/eval?expr=bondx_ready"


@pytest.fixture
def server(workspace):
    found = Server(workspace, "127.0.0.1", 0)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def ask(workspace, server):
    token = Tokens(workspace).create("viewer", Role.VIEWER, actor=Actor("ana", "desk", Origin.COMMAND_LINE))[1]
    host = server.url.removeprefix("http://")

    def asked(path):
        connection = http.client.HTTPConnection(host, timeout=PATIENCE_SECONDS)
        connection.request("GET", path, headers={"authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer.getheader("retry-after"), body

    return asked


def test_the_other_paths_answer_while_expressions_are_evaluated(ask, server, monkeypatch):
    begun, goes_on = threading.Semaphore(0), threading.Event()

    def select(source, *selected):
        begun.release()
        assert goes_on.wait(PATIENCE_SECONDS)
        return []

    monkeypatch.setattr(RecordedSource, "select", select)
    server.evaluations.limits = replace(server.evaluations.limits, seconds=2 * PATIENCE_SECONDS)
    with ThreadPoolExecutor(N_CALLERS) as callers:
        try:
            asked = [callers.submit(ask, EVAL) for _ in range(N_CALLERS)]
            for _ in range(MOST_AT_ONCE):
                assert begun.acquire(timeout=PATIENCE_SECONDS)
            for path in ("/api/v2/alerts", "/api/v1/rules", "/metrics", "/health"):
                assert ask(path)[0] == 200
            until(lambda: sum(each.done() for each in asked) == N_CALLERS - MOST_AT_ONCE, "the others being refused")
            status, retry_after, body = ask(EVAL)
            assert (status, retry_after) == (503, "1")
            assert "ask again" in json.loads(body)["error"]
        finally:
            goes_on.set()
    assert sorted(each.result()[0] for each in asked) == [200] * MOST_AT_ONCE + [503] * (N_CALLERS - MOST_AT_ONCE)
    assert ask(EVAL)[0] == 200


def test_an_expression_that_needs_too_much_is_refused(ask):
    inner = "count_over_time(vector(1)[1h:1s])"
    status, _, body = ask(f"/api/v1/rules/eval?expr=count_over_time({inner}[1h:1s])")
    assert status == 400
    assert "more than 5,000,000 samples" in json.loads(body)["error"]


def test_a_server_that_ends_gives_up_what_is_evaluated(ask, server, monkeypatch):
    begun, is_ending = threading.Event(), threading.Event()

    def select(source, *selected):
        begun.set()
        assert is_ending.wait(PATIENCE_SECONDS)
        return []

    monkeypatch.setattr(RecordedSource, "select", select)
    with ThreadPoolExecutor(2) as callers:
        asked = callers.submit(ask, EVAL)
        assert begun.wait(PATIENCE_SECONDS)
        stop = callers.submit(server.stop)
        until(server.evaluations.limits.stop.is_set, "the server ending")
        is_ending.set()
        assert stop.result() == ()
        assert asked.result()[0] == 503
