"""Traffic during a rollout: split by key, recorded with its arm, returned immediately, without failed requests."""

import http.client
import json
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from console.cli.main import main
from console.mlops.cli import main as mlops
from core.api import CanaryDeploymentManager, MLOpsConfig
from core.clock import utc_now
from core.rollout import RolloutRefusedError, Rollouts, Strategy
from core.rollout.slices import code_of
from core.serving.access import Role, Tokens
from core.serving.errors import UnavailableError
from core.serving.predict import Predictor
from core.serving.scoring.scorer import CompiledScorer
from core.serving.signature import ServingSignature
from core.serving.table import Routing
from core.settings.policy import CanaryPolicy, SliceRule
from core.state.brief import whole
from core.telemetry.predictions import (
    Arm,
    Cursor,
    OutcomeRecord,
    PredictionReader,
    PredictionWriter,
)
from core.view.source import take_snapshot
from tests.core.serving.in_process import serving
from tests.waiting import PATIENCE_SECONDS


def recorded(workspace, rollout_id, *, paired=False, with_served=None):
    return PredictionReader(workspace.predictions_file).read(
        rollout_id, Cursor(), settled_before=utc_now(), paired=paired, with_served=with_served
    )


def test_callers_stay_on_their_side_and_both_sides_are_recorded(workspace, rolling, rows_of):
    rollout = rolling(Strategy.AB, 0.5)
    (row,) = rows_of("spread", 1)
    with serving(workspace) as (_, ask, _until):
        first = {f"desk-{number}": ask(row, f"desk-{number}")[1]["version"] for number in range(60)}
        again = {key: ask(row, key)[1]["version"] for key in first}
        alone = [ask(row)[1]["version"] for _ in range(60)]
    assert first == again
    assert {10 < list(first.values()).count(version) < 50 for version in ("1.0.0", "1.1.0")} == {True}
    assert set(alone) == {"1.0.0", "1.1.0"}
    served = recorded(workspace, rollout.rollout_id).served
    assert len(served) == 180
    assert {entry.share for entry in served} == {0.5}
    assert sum(entry.arm is Arm.CANDIDATE for entry in served) == [*first.values(), *again.values(), *alone].count(
        "1.1.0"
    )
    assert sum(entry.unit is None for entry in served) == 60


def test_an_abort_returns_all_traffic_immediately_without_errors(workspace, rolling, rows_of, ana):
    rollout = rolling(Strategy.AB, 0.5)
    (row,) = rows_of("spread", 1)
    with serving(workspace) as (_, ask, until):
        until(lambda: ask(row)[1]["version"] == "1.1.0")
        Rollouts(workspace).abort(rollout.rollout_id, actor=ana)
        until(lambda: all(ask(row) and ask(row)[1]["version"] == "1.0.0" for _ in range(40)))
        assert ask(row)[0] == 200


def test_a_candidate_that_fails_costs_its_callers_nothing_and_is_recorded(workspace, rolling, rows_of, monkeypatch):
    rollout = rolling(Strategy.AB, 0.5)
    (row,) = rows_of("spread", 1)
    answer_of = CompiledScorer.answer
    with serving(workspace) as (server, ask, _until):

        def answer(self, rows):
            if self is server.table.models["spread"].versions["1.1.0"].scorer:  # also after it was loaded again
                raise ZeroDivisionError("a new feature that is zero today")
            return answer_of(self, rows)

        monkeypatch.setattr(CompiledScorer, "answer", answer)
        answers = [ask(row) for _ in range(40)]
        assert "1.1.0" in server.table.models["spread"].versions
    assert {status for status, _ in answers} == {200}
    assert {content["version"] for _, content in answers} == {"1.0.0"}
    served = recorded(workspace, rollout.rollout_id).served
    assert {entry.error for entry in served if entry.arm is Arm.CANDIDATE} == {True}
    assert not any(entry.error for entry in served if entry.arm is Arm.STABLE)
    assert len(served) == 40


def test_a_request_refused_by_both_sides_is_a_client_error(workspace, rolling, rows_of):
    rollout = rolling(Strategy.AB, 0.5)
    row = rows_of("spread", 1)[0] | {"sector": "lemonade"}
    with serving(workspace) as (_, ask, _until):
        assert {ask(row)[0] for _ in range(20)} == {400}
    assert recorded(workspace, rollout.rollout_id).served == []


@pytest.mark.parametrize("strategy", [Strategy.AB, Strategy.SHADOW])
@pytest.mark.parametrize("has_token", [False, True])
def test_what_only_the_candidate_refuses_is_no_evidence_of_a_caller_without_a_token(
    workspace, rolling, rows_of, ana, strategy, has_token
):
    rollout = rolling(strategy, 0.5 if strategy is Strategy.AB else None)
    refused, *others = rows_of("spread", 30)
    (other,) = [row for row in others if row["sector"] != refused["sector"]][:1]
    _, secret = Tokens(workspace).create("desk", Role.VIEWER, actor=ana)
    headers = {"authorization": f"Bearer {secret}"} if has_token else {}
    with serving(workspace) as (server, _ask, until):
        served = server.table.models["spread"]
        candidate = served.versions["1.1.0"]
        candidate.signature = stricter(candidate.signature, without=refused["sector"])
        candidate._speech.clear()
        routing = Routing(served.routing._router.tables["spread"], served.versions)
        server._predictor.table = replace(server.table, models={"spread": replace(served, routing=routing)})
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE_SECONDS)
        for row in [refused, other] * 20:
            connection.request("POST", "/api/v1/predict/spread", json.dumps({"row": row}), headers)
            answer = connection.getresponse()
            assert (answer.status, bool(answer.read())) == (200, True)
            if row is refused:
                assert answer.getheader("x-bondx-version") == "1.0.0"
        connection.close()
        until(lambda: strategy is Strategy.AB or not server._predictor._shadows, "the copies")
        n_errors = candidate.stats.n_errors
    kept = recorded(workspace, rollout.rollout_id).served
    assert (n_errors > 0) is has_token
    assert any(entry.error for entry in kept) is (has_token and strategy is Strategy.AB)
    assert len(kept) == (40 if has_token else 20)


def stricter(signature, without):
    """Make a signature that refuses one sector."""
    fields = [
        msgspec.structs.replace(field, categories=tuple(level for level in field.categories if level != without))
        if field.name == "sector"
        else field
        for field in signature.fields
    ]
    return ServingSignature(fields, output=signature.output, unit=signature.unit)


def test_a_shadow_receives_copies_and_its_answers_are_not_sent(workspace, rolling, rows_of):
    rollout = rolling(Strategy.SHADOW)
    rows = rows_of("spread", 10)
    with serving(workspace) as (server, ask, until):
        versions = {ask(row)[1]["version"] for row in rows}
        shadow = server.table.models["spread"].versions["1.1.0"]
        until(lambda: shadow.stats.n_shadow == 10)
    assert versions == {"1.0.0"}
    pairs = recorded(workspace, rollout.rollout_id, paired=True).pairs
    assert len(pairs) == 10
    assert {(answer.arm, copy.arm) for answer, copy in pairs} == {(Arm.STABLE, Arm.SHADOW)}


@pytest.mark.parametrize("strategy", [Strategy.AB, Strategy.SHADOW])
def test_a_request_that_both_sides_fail_on_counts_against_both(
    workspace, rolling, rows_of, monkeypatch, caplog, strategy
):
    rollout = rolling(strategy, 0.5 if strategy is Strategy.AB else None)
    (row,) = rows_of("spread", 1)
    is_shadow = strategy is Strategy.SHADOW
    with serving(workspace) as (server, ask, until):

        def answer(self, rows):
            raise ZeroDivisionError("poison")

        monkeypatch.setattr(CompiledScorer, "answer", answer)
        assert {ask(row)[0] for _ in range(40)} == {500}
        versions = server.table.models["spread"].versions.values()
        until(lambda: sum(version.stats.n_errors for version in versions) == (80 if is_shadow else 40))
    if is_shadow:
        pairs = recorded(workspace, rollout.rollout_id, paired=True).pairs
        assert [(answer.error, copy.error) for answer, copy in pairs] == [(True, True)] * 40
    else:
        served = recorded(workspace, rollout.rollout_id).served
        assert len(served) == 40
        assert 5 < sum(entry.arm is Arm.CANDIDATE for entry in served) < 35
        assert {entry.error for entry in served} == {True}


def test_the_loss_of_a_fallback_answer_does_not_count_for_the_failed_candidate(
    workspace, rolling, rows_of, monkeypatch, caplog
):
    rollout = rolling(Strategy.AB, 0.5)
    (row,) = rows_of("spread", 1)
    answer_of = CompiledScorer.answer
    with serving(workspace) as (server, _ask, _until):

        def answer(self, rows):
            if self is server.table.models["spread"].versions["1.1.0"].scorer:  # also after it was loaded again
                raise ZeroDivisionError("a new feature that is zero today")
            return answer_of(self, rows)

        monkeypatch.setattr(CompiledScorer, "answer", answer)
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE_SECONDS)
        for number in range(40):
            body = json.dumps({"row": row})
            connection.request("POST", "/api/v1/predict/spread", body, {"x-request-id": f"r{number}"})
            assert connection.getresponse().read()
        connection.close()
    with PredictionWriter(workspace.predictions_file) as writer:
        for number in range(40):
            writer.add_outcome(OutcomeRecord(f"r{number}", utc_now(), loss=1.0))
        writer.flush()
    batch = PredictionReader(workspace.predictions_file).read(
        rollout.rollout_id, Cursor(), settled_before=utc_now() + timedelta(minutes=1)
    )
    assert any(entry.arm is Arm.CANDIDATE for entry in batch.served)
    assert {entry.arm for entry in batch.scored} == {Arm.STABLE}


@pytest.mark.parametrize("strategy", [Strategy.AB, Strategy.SHADOW])
def test_a_batch_is_one_request_and_its_rows_are_found_by_their_outcomes(workspace, rolling, rows_of, ana, strategy):
    rollout = rolling(strategy, 0.5 if strategy is Strategy.AB else None)
    rows = rows_of("spread", 10)
    with serving(workspace) as (server, _, until):
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE_SECONDS)
        body = json.dumps({"rows": rows, "request_id": "batch"})
        connection.request("POST", "/api/v1/predict/spread", body)
        assert len(json.loads(connection.getresponse().read())["predictions"]) == 10
        connection.close()
        if strategy is Strategy.SHADOW:
            until(lambda: server.table.models["spread"].versions["1.1.0"].stats.n_shadow == 1)
    with PredictionWriter(workspace.predictions_file) as writer:
        for number in range(10):
            writer.add_outcome(OutcomeRecord(f"batch/{number}" if number else "batch", utc_now(), actual=100.0))
        writer.flush()
    paired = strategy is Strategy.SHADOW
    batch = PredictionReader(workspace.predictions_file).read(
        rollout.rollout_id, Cursor(), settled_before=utc_now() + timedelta(minutes=1), paired=paired
    )
    assert len(batch.pairs if paired else batch.served) == 1
    assert len(batch.scored) == (20 if paired else 10)


SLICES = CanaryPolicy(slices=("sector", SliceRule(column="rating_num", cuts=(11.0,))))


@pytest.mark.parametrize("strategy", [Strategy.AB, Strategy.SHADOW])
def test_the_levels_of_every_row_are_recorded_with_its_answer(workspace, rolling, rows_of, strategy):
    rollout = rolling(strategy, 0.5 if strategy is Strategy.AB else None, SLICES)
    rows = rows_of("spread", 20)
    with serving(workspace) as (server, ask, until):
        assert {ask(row)[0] for row in rows} == {200}
        if strategy is Strategy.SHADOW:
            until(lambda: server.table.models["spread"].versions["1.1.0"].stats.n_shadow == 20)
    expected = [code_of(rollout.plan.slices, row) for row in rows]
    assert len(set(expected)) > 2
    if strategy is Strategy.SHADOW:
        pairs = recorded(workspace, rollout.rollout_id, paired=True).answer_pairs
        assert sorted(pair.slices for pair in pairs) == sorted(expected)
    else:
        served = recorded(workspace, rollout.rollout_id).served
        assert [entry.slices for entry in served] == expected
        assert {entry.arm for entry in served} == {Arm.STABLE, Arm.CANDIDATE}


def test_a_rollout_without_slices_records_none(workspace, rolling, rows_of):
    rollout = rolling(Strategy.AB, 0.5)
    (row,) = rows_of("spread", 1)
    with serving(workspace) as (server, ask, _until):
        assert ask(row)[0] == 200
        routing = server.table.models["spread"].routing
        assert routing.assign(None, "r").slicer is None
    assert [entry.slices for entry in recorded(workspace, rollout.rollout_id).served] == [None]


def test_where_an_answer_changes_no_outcome_the_other_version_scores_a_copy(workspace, rolling, rows_of):
    rollout = rolling(Strategy.AB, 0.5, CanaryPolicy(answer_changes_outcome=False))
    rows = rows_of("spread", 30)
    with serving(workspace) as (server, ask, until):
        answered = [ask(row, request_id=f"r{number}")[1] for number, row in enumerate(rows)]
        versions = server.table.models["spread"].versions
        until(lambda: sum(version.stats.n_shadow for version in versions.values()) == 30)
        assert {answer["version"] for answer in answered} == {"1.0.0", "1.1.0"}
    with PredictionWriter(workspace.predictions_file) as writer:
        for number in range(30):
            writer.add_outcome(OutcomeRecord(f"r{number}", utc_now(), actual=100.0))
        writer.flush()
    batch = PredictionReader(workspace.predictions_file).read(
        rollout.rollout_id,
        Cursor(),
        settled_before=utc_now() + timedelta(minutes=1),
        paired=True,
        with_served=True,
    )
    assert {entry.arm for entry in batch.served} == {Arm.STABLE, Arm.CANDIDATE}
    assert len(batch.served) == len(batch.answer_pairs) == len(batch.scored_pairs) == 30
    assert batch.n_unpaired == 0
    sides = {"1.0.0": 0, "1.1.0": 1}
    for answer, pair in zip(answered, batch.scored_pairs, strict=True):
        mine = (pair.stable, pair.candidate)[sides[answer["version"]]]
        assert mine == pytest.approx(abs(100.0 - answer["prediction"]))


def test_a_copy_dropped_under_load_is_counted(workspace, rolling, rows_of, monkeypatch):
    rolling(Strategy.SHADOW)
    (row,) = rows_of("spread", 1)
    with serving(workspace) as (server, ask, until):
        score = Predictor._score

        async def busy(self, dialect, version, content):
            if version.version == "1.1.0":
                raise UnavailableError("Too many batches are waiting; retry in a moment.")
            return await score(self, dialect, version, content)

        monkeypatch.setattr(Predictor, "_score", busy)
        assert ask(row)[0] == 200
        shadow = server.table.models["spread"].versions["1.1.0"]
        until(lambda: shadow.stats.n_copies_dropped == 1)
        assert shadow.stats.n_shadow == 0


def test_the_number_of_a_caller_is_recorded_outside_of_rollouts(workspace, artifacts, put_live, rows_of):
    put_live(workspace, "spread", artifacts / "spread")
    (row,) = rows_of("spread", 1)
    with serving(workspace) as (_, ask, _until):
        for key in ("desk-1", "desk-2", "desk-1", None):
            assert ask(row, key)[0] == 200
    found = PredictionReader(workspace.predictions_file).recent_traffic(
        "spread", "1.0.0", since=utc_now() - timedelta(hours=1), now=utc_now()
    )
    assert sorted(found.callers) == [1, 2]
    assert found.n_requests == 4


def test_the_levels_of_a_request_on_which_the_candidate_failed_are_recorded(
    workspace, rolling, rows_of, monkeypatch, caplog
):
    rollout = rolling(Strategy.AB, 0.5, SLICES)
    rows = rows_of("spread", 20)
    answer_of = CompiledScorer.answer
    with serving(workspace) as (server, ask, _until):

        def answer(self, rows):
            if self is server.table.models["spread"].versions["1.1.0"].scorer:  # also after it was loaded again
                raise ZeroDivisionError("a new feature that is zero today")
            return answer_of(self, rows)

        monkeypatch.setattr(CompiledScorer, "answer", answer)
        assert {ask(row)[0] for row in rows} == {200}
    served = recorded(workspace, rollout.rollout_id).served
    assert [entry.slices for entry in served] == [code_of(rollout.plan.slices, row) for row in rows]
    assert any(entry.error for entry in served)


def test_a_slice_column_that_the_model_does_not_read_is_refused_with_its_columns(workspace, staged):
    rollouts = Rollouts(workspace)
    message = r"spread 1\.0\.0 does not read the slice column 'regoin'; its columns: .*sector"
    with pytest.raises(RolloutRefusedError, match=message):
        rollouts.plan("spread", "1.1.0", policy=CanaryPolicy(slices=("regoin",)))
    with pytest.raises(RolloutRefusedError, match="give cuts, such as"):
        rollouts.plan("spread", "1.1.0", policy=CanaryPolicy(slices=("rating_num",)))


KEPT_BACK = ("explanation: {denied_columns: [sector]}", "protection: {personal: [sector]}")


@pytest.mark.parametrize("block", KEPT_BACK)
def test_the_levels_of_a_denied_or_personal_slice_column_are_numbered_in_the_plan(workspace, staged, block):
    with workspace.settings_file.open("a") as settings:
        settings.write(f"\n{block}\n")
    plan = Rollouts(workspace).plan("spread", "1.1.0", policy=CanaryPolicy(slices=("sector", "seniority"))).plan
    hidden, named = plan.slices
    assert set(hidden.names[1:]) == {f"level {number}" for number in range(1, len(hidden.names))}
    assert not set(named.names[1:]) & set(hidden.names[1:])


@pytest.mark.parametrize("block", KEPT_BACK)
def test_a_rollout_is_shown_without_the_levels_of_a_column_that_is_kept_back_later(
    workspace, rolling, rows_of, called, block
):
    rollout = rolling(Strategy.AB, 0.5, SLICES)
    names = [name for each in rollout.plan.slices if each.column == "sector" for name in each.names[1:]]
    assert names
    with workspace.settings_file.open("a") as settings:
        settings.write(f"\n{block}\n")
    (stored,) = Rollouts(workspace).all()
    assert stored.plan.slices == rollout.plan.slices
    (seen,) = take_snapshot(workspace).rollouts
    told = [msgspec.json.encode(whole(seen)).decode()]
    at = ("--workspace", workspace.root)
    told += [called(main, *at, "rollout", verb, rollout.rollout_id, "--json")[1] for verb in ("show", "status", "hold")]
    told.append(called(mlops, *at, "list", "--deployments", "--json")[1])
    manager = CanaryDeploymentManager(MLOpsConfig.from_yaml(workspace=workspace.root))
    told += [msgspec.json.encode(each).decode() for each in manager.list_deployments()]
    told.append(msgspec.json.encode(manager.get_deployment(rollout.rollout_id)).decode())
    with serving(workspace) as (server, _, _until):
        for path in ("", f"/{rollout.rollout_id}"):
            connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE_SECONDS)
            connection.request("GET", f"/api/v1/rollouts{path}")
            told.append(connection.getresponse().read().decode())
            connection.close()
    for text in told:
        assert "level 1" in text
        assert not [name for name in names if f'"{name}"' in text or f"sector={name}" in text]


def test_the_plan_over_http_has_slices_usual_traffic_and_expected_times(workspace, staged, rows_of):
    (workspace.root / "policy.yaml").write_text("canary: {slices: [sector], answer_changes_outcome: false}\n")
    rows = rows_of("spread", 30)
    with serving(workspace) as (server, ask, _until):
        for number, row in enumerate(rows):
            ask(row, f"desk-{number % 3}", request_id=f"r{number}")
    with PredictionWriter(workspace.predictions_file) as writer:
        for number in range(30):
            writer.add_outcome(OutcomeRecord(f"r{number}", utc_now(), actual=100.0))
        writer.flush()
    with serving(workspace) as (server, _, _until):
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE_SECONDS)
        wish = json.dumps({"model": "spread", "candidate": "1.1.0"})
        connection.request("POST", "/api/v1/rollouts/plans", wish, {"content-type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200
        proposal = json.loads(answer.read())
        connection.close()
    assert proposal["plan"]["slices"][0]["column"] == "sector"
    assert proposal["plan"]["difference_tolerance"] > 0
    assert (proposal["usual"]["n_callers"], proposal["usual"]["losses"]["n"]) == (3, 30)
    assert {verdict["guard"] for verdict in proposal["expected"]["verdicts"]} >= {"errors", "loss"}
    effects = "\n".join(proposal["effects"])
    assert "Slices: errors and loss are also judged by sector (" in effects
    assert "losses are compared row by row" in effects
    assert "Usual traffic in the last" in effects
    assert "Expected on loss: a loss 10% worse" in effects
