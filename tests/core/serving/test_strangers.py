"""A caller without a token sends garbage for an hour: it never ends a rollout, whatever the versions declare."""

import http.client
import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from core.clock import utc_now
from core.rollout import Rollouts, Strategy
from core.rollout.worker import RolloutWorker
from core.serving.access import Role, Tokens
from core.serving.errors import BadRequestError
from core.serving.scoring.scorer import CompiledScorer, OpenScorer
from core.serving.signature import OpenSignature
from core.serving.table import Routing
from core.telemetry.predictions import Cursor, PredictionReader
from tests.core.serving.in_process import serving
from tests.waiting import PATIENCE_SECONDS

N_REQUESTS = 300


class Picky:
    """A model without declared fields that fails on rows it does not know, each kind in its own way."""

    def __init__(self, error=None):
        self._error = error

    def predict(self, frame):
        if self._error is not None and "garbage" in frame:
            raise self._error
        return np.zeros(len(frame))


def put(server, scorers):
    """Replace the scorers of versions of spread."""
    served = server.table.models["spread"]
    for number, scorer in scorers.items():
        version = served.versions[number]
        version.scorer, version.signature = scorer, scorer.signature
        version._speech.clear()
    routing = Routing(served.routing._router.tables["spread"], served.versions)
    server._predictor.table = replace(server.table, models={"spread": replace(served, routing=routing)})


def send(server, rows, token=None):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE_SECONDS)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    for row in rows:
        connection.request("POST", "/api/v1/predict/spread", json.dumps({"row": row}), headers)
        connection.getresponse().read()
    connection.close()


def kept(workspace, rollout):
    reader = PredictionReader(workspace.predictions_file)
    return reader.read(rollout.rollout_id, Cursor(), settled_before=utc_now()).served


def hour_of_ticks(workspace, rollout):
    now = utc_now()
    worker = RolloutWorker(workspace)
    for minutes in range(0, 61, 5):
        worker.tick(now + timedelta(minutes=minutes))
    return Rollouts(workspace).get(rollout.rollout_id)


@pytest.mark.parametrize("strategy", [Strategy.CANARY, Strategy.SHADOW])
@pytest.mark.parametrize("error", [ValueError("garbage"), IndexError("garbage")], ids=["refused", "crashed"])
def test_garbage_says_nothing_about_a_version_without_declared_fields(workspace, rolling, strategy, error):
    rollout = rolling(strategy)
    with serving(workspace) as (server, _ask, until):
        put(server, {"1.0.0": OpenScorer(Picky()), "1.1.0": OpenScorer(Picky(error))})
        send(server, [{"garbage": number} for number in range(N_REQUESTS)])
        until(lambda: not server._predictor._shadows, "the copies")
        assert server.table.models["spread"].versions["1.1.0"].stats.n_errors == 0
    assert kept(workspace, rollout) == []
    assert hour_of_ticks(workspace, rollout).is_active


def test_with_a_token_it_does(workspace, rolling, ana):
    rollout = rolling(Strategy.AB, 0.5)
    _, token = Tokens(workspace).create("desk", Role.VIEWER, actor=ana)
    with serving(workspace) as (server, _ask, _until):
        put(server, {"1.0.0": OpenScorer(Picky()), "1.1.0": OpenScorer(Picky(ValueError("garbage")))})
        send(server, [{"garbage": number} for number in range(40)], token)
        assert server.table.models["spread"].versions["1.1.0"].stats.n_errors > 5
    assert any(entry.error for entry in kept(workspace, rollout))


def test_a_copy_that_only_the_shadow_refuses_is_no_failure_of_it(workspace, rolling, rows_of, monkeypatch):
    rollout = rolling(Strategy.SHADOW)
    (row,) = rows_of("spread", 1)
    with serving(workspace) as (server, _ask, until):
        shadow = server.table.models["spread"].versions["1.1.0"]
        answer_of = CompiledScorer.answer

        def answer(self, rows):
            if self is shadow.scorer:
                raise BadRequestError("is not a date", field="issue_date")
            return answer_of(self, rows)

        monkeypatch.setattr(CompiledScorer, "answer", answer)
        send(server, [row] * 40)
        until(lambda: not server._predictor._shadows, "the copies")
        assert shadow.stats.n_errors == 0
    assert not any(entry.error for entry in kept(workspace, rollout))
    assert hour_of_ticks(workspace, rollout).is_active


def test_a_version_that_declares_its_fields_is_told_from_one_that_does_not(workspace, rolling):
    assert OpenSignature().is_open
    rolling(Strategy.AB, 0.5)
    with serving(workspace) as (server, _ask, _until):
        assert not any(version.signature.is_open for version in server.table.models["spread"].versions.values())
