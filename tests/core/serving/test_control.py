"""The control API: what the console can do, over HTTP, with errors that say what to do."""

import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from core.actor import Actor, Origin
from core.alerts import Alerts
from core.clock import utc_now
from core.files import DiskFullError, InDoubtError
from core.registry import Registry
from core.state.errors import DamagedFileError
from core.telemetry import TelemetryError
from core.tracking import Runs, RunStatus
from core.training.epoch_slices import slice_table
from core.training.session_files import SessionFiles
from core.training.sessions import Sessions
from tests.epoch_records import an_epoch

BEN = Actor("ben", "desk", Origin.CONSOLE)


class TestTheRegistry:
    def test_is_looked_at(self, api, workspace, artifacts, put_live, register):
        put_live(workspace, "spread", artifacts / "spread")
        register(workspace, "spread", artifacts / "spread_other")
        assert [model["production"] for model in api.get("/api/v1/models").json()] == ["1.0.0"]
        versions = api.get("/api/v1/models/spread/versions").json()
        assert [version["version"] for version in versions] == ["1.1.0", "1.0.0"]
        live = api.get("/api/v1/models/spread/versions", params={"stage": "Production"}).json()
        assert [version["version"] for version in live] == ["1.0.0"]
        assert api.get("/api/v1/models/spread/versions/1.0.0").json()["metrics"] == {"attainment": 0.9}
        assert api.get("/api/v1/models/spread/integrity").json()[0]["ok"] is True
        diff = api.get("/api/v1/models/spread/diff", params={"before": "1.0.0", "after": "1.1.0"}).json()
        assert diff["rows"]
        assert {row["change"] for row in diff["rows"]} <= {"changed", "added", "removed"}

    def test_points_aliases_at_versions(self, api, workspace, artifacts, put_live):
        put_live(workspace, "spread", artifacts / "spread")
        where = "/api/v1/models/spread/aliases"
        assert api.put(f"{where}/champion", json={"version": "1.0.0", "reason": "best"}).json()["version"] == "1.0.0"
        assert api.get(where).json() == {"champion": "1.0.0"}
        assert api.get("/api/v1/models/spread/versions/@champion").json()["version"] == "1.0.0"
        assert api.delete(f"{where}/champion").status_code == 204
        assert api.delete(f"{where}/champion").status_code == 404

    def test_names_the_person_who_moved_an_alias_first(self, api, workspace, artifacts, register, ana):
        register(workspace, "spread", artifacts / "spread")
        register(workspace, "spread", artifacts / "spread_other")
        where = "/api/v1/models/spread/aliases/champion"
        assert api.put(where, json={"version": "1.0.0", "expected_revision": 0}).status_code == 200
        seen = api.get(where).json()
        Registry(workspace).set_alias("spread", "champion", "1.1.0", actor=BEN)
        for stale in (
            api.put(where, json={"version": "1.0.0", "expected_revision": 0}),
            api.delete(where, params={"expected_revision": seen["revision"]}),
            api.put(where, json={"version": "1.0.0", "expected_revision": seen["revision"]}),
        ):
            assert stale.status_code == 409
            assert "by ben@desk" in stale.json()["error"]
        assert stale.json()["changes"]["version"] == ["1.0.0", "1.1.0"]
        now = api.get(where).json()
        assert (now["version"], now["updated_by"]) == ("1.1.0", "ben@desk")
        assert api.delete(where, params={"expected_revision": now["revision"]}).status_code == 204
        assert api.get(where).status_code == 404

    def test_tags_versions(self, api, workspace, artifacts, register):
        register(workspace, "spread", artifacts / "spread")
        where = "/api/v1/models/spread/versions/1.0.0"
        seen = api.get(where).json()
        wish = {"tags": {"desk": "rates", "team": "a"}, "expected_revision": seen["revision"]}
        assert api.patch(f"{where}/tags", json=wish).json()["tags"] == {"desk": "rates", "team": "a"}
        stale = api.patch(f"{where}/tags", json=wish)
        assert (stale.status_code, stale.json()["changes"]["tags"]) == (409, [{}, {"desk": "rates", "team": "a"}])
        assert api.patch(f"{where}/tags", json={"tags": {"team": ""}}).json()["tags"] == {"desk": "rates"}

    def test_refuses_endless_words_and_names_the_limit(self, api, workspace, artifacts, register):
        register(workspace, "spread", artifacts / "spread")
        registry = Registry(workspace)
        before, where = registry.get("spread", "1.0.0"), "/api/v1/models/spread/versions/1.0.0"
        reason = "x" * 501
        plan = {"verb": "promote", "version": "1.0.0", "expected_revision": 1}
        for answer in (
            api.post("/api/v1/models/spread/moves", json={**plan, "reason": reason, "confirm": "1.0.0"}),
            api.patch(f"{where}/tags", json={"tags": {"a": "b"}, "reason": reason}),
            api.put("/api/v1/models/spread/aliases/best", json={"version": "1.0.0", "reason": reason}),
            api.post(f"{where}/approvals", json={"reason": reason}),
        ):
            assert answer.status_code == 400, answer.text
            assert "501 characters; it must have at most 500" in answer.json()["error"]
        for tags in ({"note": "x" * 3_000_000}, {"x" * 3_000_000: "yes"}):
            answer = api.patch(f"{where}/tags", json={"tags": tags})
            assert answer.status_code == 400
            assert "must have at most 10,000" in answer.json()["error"]
        assert registry.get("spread", "1.0.0") == before

    def test_refuses_a_key_that_stands_twice(self, api, workspace, artifacts, register):
        register(workspace, "spread", artifacts / "spread")
        answer = api.post(
            "/api/v1/models/spread/plans",
            content=b'{"verb":"promote","version":"1.0.0","verb":"archive"}',
            headers={"content-type": "application/json"},
        )
        assert (answer.status_code, answer.json()["error"]) == (
            400,
            "The request has the key 'verb' twice in one object.",
        )

    def test_shows_lineage_environment_and_policy(self, api, workspace, artifacts, register):
        register(workspace, "spread", artifacts / "spread")
        graph = api.get("/api/v1/models/spread/lineage", params={"version": "1.0.0"}).json()
        assert [node["label"] for node in graph["nodes"]] == ["spread 1.0.0"]
        assert api.get("/api/v1/models/spread/versions/1.0.0/warnings").json() == []
        (workspace.root / "policy.yaml").write_text("overrides: {spread: {promotion: {min_accuracy: 0.7}}}\n")
        found = api.get("/api/v1/policy", params={"model": "spread"}).json()
        assert found["policy"]["promotion"]["min_accuracy"] == 0.7
        assert found["files"] == ["bondx.yaml", "policy.yaml"]
        assert api.get("/api/v1/policy").json()["policy"]["promotion"]["min_accuracy"] == 0

    def test_records_and_withdraws_the_approval_of_the_tokens_owner(self, api, workspace, artifacts, register):
        register(workspace, "spread", artifacts / "spread")
        where = "/api/v1/models/spread/versions/1.0.0/approvals"
        given = api.post(where, json={"reason": "looked at it"})
        assert (given.status_code, given.json()["person"]) == (201, "ana")
        assert [approval["person"] for approval in api.get(where).json()] == ["ana"]
        again = api.post(where, json={})
        assert (again.status_code, "ana already approved spread 1.0.0" in again.json()["error"]) == (422, True)
        assert api.delete(where).json()["person"] == "ana"
        assert api.delete(where).status_code == 404

    def test_removes_exactly_the_planned_versions(self, api, workspace, artifacts, register):
        for folder in ("spread", "spread_other", "downgrade"):
            register(workspace, "spread", artifacts / folder)
        plan = api.post("/api/v1/prunes/versions/plans", json={"keep": 2}).json()
        assert [c["version"] for c in plan["candidates"] if c["goes"]] == ["1.0.0"]
        register(workspace, "spread", artifacts / "anomaly")
        wish = {"keep": 2, "expected": ["spread/1.0.0"]}
        stale = api.post("/api/v1/prunes/versions", json=wish)
        assert stale.status_code == 409
        assert stale.json()["changes"]["expected"] == [["spread/1.0.0"], ["spread/1.0.0", "spread/1.1.0"]]
        assert len(api.get("/api/v1/models/spread/versions").json()) == 4
        gone = api.post("/api/v1/prunes/versions", json=wish | {"keep": 3, "reason": "tidy"}).json()
        assert [version["version"] for version in gone] == ["1.0.0"]
        assert api.post("/api/v1/prunes/versions", json={"keep": 0, "expected": []}).status_code == 400

    def test_archives_the_live_version_only_if_it_is_named(self, api, workspace, artifacts, put_live):
        put_live(workspace, "spread", artifacts / "spread")
        wish = {"verb": "archive", "version": "1.0.0"}
        plan = api.post("/api/v1/models/spread/plans", json=wish).json()
        assert plan["unreplaced"] == "1.0.0"
        wish |= {"expected_revision": plan["expected_revision"]}
        refused = api.post("/api/v1/models/spread/moves", json=wish)
        assert refused.status_code == 422
        assert "Confirm it by naming 1.0.0" in refused.json()["error"]
        assert api.post("/api/v1/models/spread/moves", json=wish | {"confirm": "1.0.0"}).status_code == 200

    def test_refuses_a_reviewed_plan_that_said_something_else(self, api, workspace, artifacts, put_live):
        put_live(workspace, "spread", artifacts / "spread")
        wish = {"verb": "archive", "version": "1.0.0"}
        plan = api.post("/api/v1/models/spread/plans", json=wish).json()
        move = wish | {"expected_revision": plan["expected_revision"], "confirm": "1.0.0"}
        old = plan | {"warnings": ["ro-0001 rolled back 1.0.0."]}
        refused = api.post("/api/v1/models/spread/moves", json=move | {"reviewed": old})
        assert refused.status_code == 409
        assert "No longer true: ro-0001 rolled back 1.0.0. spread 1.0.0 was not moved" in refused.json()["error"]
        assert api.post("/api/v1/models/spread/moves", json=move | {"reviewed": plan}).status_code == 200

    def test_refuses_with_the_reason_of_the_plan(self, api, workspace, artifacts, put_live):
        put_live(workspace, "spread", artifacts / "spread")
        wish = {"verb": "rollback"}
        plan = api.post("/api/v1/models/spread/plans", json=wish).json()
        assert plan["allowed"] is False
        move = api.post("/api/v1/models/spread/moves", json=wish | {"expected_revision": plan["expected_revision"]})
        assert (move.status_code, move.json()["error"]) == (422, plan["refusal"])

    def test_goes_back_when_the_settings_cannot_be_used(self, api, workspace, artifacts, put_live):
        put_live(workspace, "spread", artifacts / "spread")
        put_live(workspace, "spread", artifacts / "spread_other")
        workspace.settings_file.write_text("alertz: {a: 1}\n")
        wish = {"verb": "rollback"}
        plan = api.post("/api/v1/models/spread/plans", json=wish).json()
        assert "alertz" in plan["warnings"][-1]
        wish["expected_revision"] = plan["expected_revision"]
        assert api.post("/api/v1/models/spread/moves", json=wish).status_code == 200
        assert api.post("/api/v1/models/spread/plans", json={"verb": "promote", "version": "1.1.0"}).status_code != 200

    @pytest.mark.parametrize(
        ("path", "body", "status", "sentence"),
        [
            pytest.param("/api/v1/models/none/plans", {"verb": "undo"}, 404, "No model none", id="no such model"),
            pytest.param("/api/v1/models/x/plans", {"verb": "promote"}, 400, "version is required", id="no version"),
            pytest.param("/api/v1/models/x/plans", {"verb": "push"}, 400, "verb", id="no such verb"),
            pytest.param("/api/v1/models/x/plans", {"verb": "undo", "colour": 1}, 400, "colour", id="an unknown field"),
            pytest.param("/api/v1/models/x/moves", {"verb": "undo"}, 400, "expected_revision", id="no revision"),
            pytest.param("/api/v1/models/x/plans", "text", 400, "object", id="no object"),
        ],
    )
    def test_names_the_fault_of_a_request(self, api, path, body, status, sentence):
        answer = api.post(path, json=body)
        assert answer.status_code == answer.json()["status"] == status
        assert sentence in answer.json()["error"]


class TestSessions:
    def test_are_started_held_and_stopped(self, api):
        started = api.post("/api/v1/sessions", json={"name": "nightly", "settings": {"max_epochs": 3}, "reason": "x"})
        assert started.status_code == 201
        session = started.json()
        assert session["created_by"].startswith("ana@")
        assert (session["created_by"].partition(" ")[2], session["settings"]["max_epochs"]) == ("via robot", 3)
        where = f"/api/v1/sessions/{session['session_id']}"
        held = api.post(f"{where}/requests", json={"desired": "paused", "expected_revision": session["revision"]})
        assert held.json()["desired"] == "paused"
        stale = api.post(f"{where}/requests", json={"desired": "stopped", "expected_revision": session["revision"]})
        assert stale.status_code == 409
        assert api.get(where).json()["desired"] == "paused"
        assert len(api.get("/api/v1/sessions").json()) == 1

    def test_answer_with_the_scores_of_an_epoch_by_slice(self, api, workspace):
        where = "/api/v1/sessions/" + api.post("/api/v1/sessions", json={"name": "nightly"}).json()["session_id"]
        assert api.get(f"{where}/epochs/1").status_code == 404
        found = {"sector=banks": {"n_rows": 40.0, "r2_score": 0.5}, "region=uk": {"n_rows": 30.0}}
        record = an_epoch(1, slices={"spread": slice_table(found)})
        [session] = Sessions(workspace).all()
        SessionFiles(workspace).write_epoch(session, record)

        assert api.get(f"{where}/epochs/1").json()["slices"]["spread"]["slices"] == ["sector=banks", "region=uk"]
        assert api.get(f"{where}/epochs/1/slices", params={"by": "sector"}).json() == [
            {"model": "spread", "by": "sector", "level": "banks", "n_rows": 40, "scores": {"r2_score": 0.5}}
        ]
        assert len(api.get(f"{where}/epochs/1/slices").json()) == 2
        answer = api.get(f"{where}/epochs/1/slices", params={"by": "colour"})
        assert (answer.status_code, "Its slices are by: sector, region." in answer.json()["error"]) == (400, True)

    @pytest.mark.parametrize(
        ("settings", "field"),
        [({"max_epoch": 3}, "settings.max_epoch"), ({"max_epochs": "three"}, "settings.max_epochs")],
    )
    def test_settings_are_validated(self, api, settings, field):
        answer = api.post("/api/v1/sessions", json={"settings": settings})
        assert (answer.status_code, answer.json()["field"]) == (400, field)

    def test_queues_a_model_of_language_with_its_own_settings(self, api, workspace):
        asked = {"model": "prose", "settings": {"architecture": "ngram", "documents": 50}}
        answer = api.post("/api/v1/sessions", json={"text": asked})
        assert (answer.status_code, answer.json()["text"]["model"]) == (201, "prose")
        assert Sessions(workspace).all()[-1].text.text_model.documents == 50

    @pytest.mark.parametrize(
        ("asked", "field"),
        [
            ({"model": "prose", "settings": {"corpus": "/etc/passwd"}}, "text.settings.corpus"),
            ({"model": "prose", "settings": {"teacher": "/tmp/model"}}, "text.settings.teacher"),
            ({"model": "prose", "settings": {"layers": 3}}, "text.settings.layers"),
            ({"model": "prose", "settings": {"documents": 3}}, "text.settings.documents"),
            ({"model": "No Name", "settings": {"architecture": "ngram"}}, None),
            ({"model": "prose", "settings": {"architecture": "ngram", "domain": "none"}}, None),
        ],
    )
    def test_refuses_a_model_of_language_that_cannot_be_trained(self, api, workspace, asked, field):
        n_before = len(Sessions(workspace).all())
        answer = api.post("/api/v1/sessions", json={"text": asked})
        assert (answer.status_code, answer.json().get("field")) == (400, field)
        assert len(Sessions(workspace).all()) == n_before

    def test_no_caller_names_the_executor_since_the_engine_runs_what_a_cluster_answers(self, api, workspace):
        n_before = len(Sessions(workspace).all())
        given = {"kind": "dask", "address": "tcp://10.0.0.66:8786", "allow_unencrypted": True}
        for executor in (given, {}):
            answer = api.post("/api/v1/sessions", json={"settings": {"executor": executor}})
            assert (answer.status_code, answer.json()["field"]) == (400, "settings.executor")
        assert len(Sessions(workspace).all()) == n_before

    def test_a_session_is_divided_into_agents_that_follow_their_parent(self, api):
        agents = {"by": "sector", "of": ["banks", "autos"], "limits": {"autos": {"priority": 1}}}
        parent = api.post("/api/v1/sessions", json={"name": "sectors", "settings": {"agents": agents}}).json()

        where = [f"/api/v1/sessions/{each}" for each in (parent["session_id"], *parent["children"])]
        api.post(f"{where[0]}/requests", json={"desired": "stopped"})

        parent, banks, autos = (api.get(each).json() for each in where)
        assert [each["desired"] for each in (parent, banks, autos)] == ["stopped"] * 3
        assert (banks["parent"], banks["settings"]["only"]) == (parent["session_id"], {"sector": "banks"})
        assert (autos["agent"]["name"], autos["agent"]["priority"]) == ("autos", 1)

    def test_the_cluster_is_that_of_the_settings(self, api):
        answer = api.get("/api/v1/cluster")
        assert (answer.status_code, "executor.kind is thread" in answer.json()["error"]) == (400, True)

    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            ({"models": {"weather": {}}}, "no model 'weather'. Models to choose from: spread, downgrade"),
            ({"models": {"spread": {"algorithm": "lightbgm"}}}, "spread cannot be trained with algorithm 'lightbgm'"),
            ({"domain": "weather"}, "no domain 'weather'. Known domains: bonds, etrm, table"),
            ({"agents": {"by": "model", "of": ["spred"]}}, "agents.of[0] is 'spred', which is not a model"),
            ({"only": {"sector": "bank"}}, "only.sector is 'bank'. The values of sector: sovereign"),
            ({"quality_gates": {"custom_gates": ["weather"]}}, "no custom gate 'weather'"),
            ({"experiment_name": "two\nlines"}, "is not an experiment's name"),
        ],
    )
    def test_settings_that_name_what_is_not_there_are_a_bad_request(self, api, settings, says):
        answer = api.post("/api/v1/sessions", json={"settings": settings})
        assert answer.status_code == 400
        assert says in answer.json()["error"]

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("two\nlines", "is not a session name"),
            ("n" * 201, "is not a session name"),
            ("\x1b[2J", r"\x1b[2J holds characters that no terminal shows"),
            ("\u202egnp", r"\u202egnp holds characters that no terminal shows"),
        ],
    )
    def test_have_one_line_names(self, api, name, says):
        for send in ({"json": {"name": name}}, {"content": json.dumps({"name": name}, ensure_ascii=False)}):
            answer = api.post("/api/v1/sessions", **send)
            assert answer.status_code == 400
            assert says in answer.json()["error"]


def test_a_rollout_is_planned_started_held_and_aborted(api, workspace, artifacts, put_live, register, ana):
    put_live(workspace, "spread", artifacts / "spread")
    register(workspace, "spread", artifacts / "spread_other")
    wish = {"verb": "promote", "version": "1.1.0"}
    plan = api.post("/api/v1/models/spread/plans", json=wish).json()
    api.post("/api/v1/models/spread/moves", json=wish | {"expected_revision": plan["expected_revision"]})
    wanted = {"model": "spread", "candidate": "1.1.0", "strategy": "canary", "share": 0.1}
    proposal = api.post("/api/v1/rollouts/plans", json=wanted).json()
    assert proposal["allowed"], proposal["refusal"]
    rollout = api.post("/api/v1/rollouts", json=wanted | {"stable": proposal["stable"], "reason": "new trees"}).json()
    assert api.post("/api/v1/rollouts", json=wanted | {"stable": proposal["stable"]}).status_code == 409
    where = f"/api/v1/rollouts/{rollout['rollout_id']}"
    assert api.post(f"{where}/requests", json={"desired": "paused"}).json()["desired"] == "paused"
    assert api.post(f"{where}/requests", json={"desired": "paused", "advance": True}).status_code == 400
    assert api.post(f"{where}/requests", json={"desired": "paused", "step": 1}).json()["field"] == "step"
    assert api.post(f"{where}/requests", json={"advance": True, "step": 0}).status_code == 422  # there already
    for forward in ({"advance": True}, {"desired": "promote_now"}):
        refusal = api.post(f"{where}/requests", json=forward)
        assert (refusal.status_code, "its first step is not open yet" in refusal.json()["error"]) == (422, True)
    of_model = "/api/v1/rollouts/spread/requests"
    assert api.post(of_model, json={"desired": "running"}).json()["rollout_id"] == rollout["rollout_id"]
    assert api.get("/api/v1/rollouts/spread").json()["rollout_id"] == rollout["rollout_id"]
    assert api.post(of_model, json={"desired": "aborted"}).json()["desired"] == "aborted"
    nothing = api.post("/api/v1/rollouts/nothing/requests", json={"desired": "aborted"})
    assert (nothing.status_code, "no model nothing with a rollout" in nothing.text) == (404, True)
    assert [found["rollout_id"] for found in api.get("/api/v1/rollouts").json()] == [rollout["rollout_id"]]


def test_an_alert_is_acknowledged_and_resolved(api, workspace):
    labels = {"session": "s-1", "gate": "coverage"}
    alert = Alerts(workspace).fire("gate_failed", labels=labels, summary="x", now=utc_now())
    (listed,) = api.get("/api/v1/alerts", params={"open_only": True}).json()
    assert listed["fingerprint"] == alert.fingerprint
    where = f"/api/v1/alerts/{alert.fingerprint}"
    assert api.post(f"{where}/acknowledge", json={"reason": "mine"}).json()["state"] == "acknowledged"
    assert api.post(f"{where}/resolve", json={}).json()["state"] == "resolved"
    assert api.post("/api/v1/alerts/nothing/resolve", json={}).status_code == 404


def test_runs_are_found_tagged_and_pruned(api, workspace, ana):
    with Runs(workspace) as runs:
        for number in range(3):
            run = runs.start(name=f"n{number}", actor=ana, parameters={"depth": number})
            runs.finish(run.run_id, RunStatus.FINISHED, actor=ana)
    found = api.get("/api/v1/runs", params={"filter": "params.depth > 0", "limit": 1}).json()
    assert [run["name"] for run in found] == ["n2"]
    wrong = api.get("/api/v1/runs", params={"filter": "params.depth >"})
    assert wrong.status_code == 400
    where = f"/api/v1/runs/{found[0]['run_id']}/tags"
    wish = {"tags": {"owner": "ana"}, "expected_revision": found[0]["revision"]}
    assert api.patch(where, json=wish).json()["tags"] == {"owner": "ana"}
    assert api.patch(where, json=wish).status_code == 409
    plan = api.post("/api/v1/prunes/runs/plans", json={"keep": 1}).json()
    assert plan["runs"] == ["r-0001", "r-0002"]
    assert api.post("/api/v1/prunes/runs", json={"keep": 1, "expected": ["r-0001"]}).status_code == 409
    gone = api.post("/api/v1/prunes/runs", json={"keep": 1, "expected": plan["runs"], "reason": "tidy"})
    assert [run["run_id"] for run in gone.json()] == plan["runs"]
    assert [run["run_id"] for run in api.get("/api/v1/runs").json()] == ["r-0003"]


def test_a_number_that_is_not_one_in_ascii_is_refused_in_a_query_and_in_a_path(api):
    proof = "/api/v1/audit/epochs/s-0001/{}/proof"
    for text in ("1_000", "\u0661\u0662", "\uff13", "\u00b2", " 5", "nan", "inf", "9" * 5000):
        for where in ("/api/v1/runs?limit={}", "/api/v1/audit?n={}", "/api/v1/resources?seconds={}", proof):
            assert (where, api.get(where.format(quote(text))).status_code) == (where, 400)
    assert api.get(proof.format(1)).status_code == 404


def operations(api):
    """Every operation of the control API, with a path that fits it."""
    for path, methods in api.get("/api/v1/openapi.json").json()["paths"].items():
        if path.startswith("/api/v1/") and not path.startswith(("/api/v1/predict", "/api/v1/generate")):
            for method, operation in methods.items():
                yield method, re.sub("{.*?}", "1", path), operation


def test_a_request_without_its_body_is_told_what_the_body_holds(api):
    document = api.get("/api/v1/openapi.json").json()
    found = 0
    for method, path, operation in operations(api):
        if "requestBody" not in operation:
            continue
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        for content in (b"", b" \n"):
            answer = api.request(method, path, content=content, headers={"content-type": "application/json"})
            assert answer.status_code == 400, path
            error = answer.json()["error"]
            assert error.startswith("The request has no body: it must be a JSON object"), (path, error)
            assert all(name in error for name in schema["properties"])
            assert "field" not in answer.json()
        found += 1
    assert found > 15


def test_an_unknown_key_of_a_query_is_refused_with_the_known_ones(api):
    for method, path, operation in operations(api):
        known = sorted(one["name"] for one in operation.get("parameters", ()) if one["in"] == "query")
        body = {"json": {}} if "requestBody" in operation else {}
        answer = api.request(method, path, params={"limt": "1"}, **body)
        takes = f"it takes {', '.join(known)}" if known else "this path takes none"
        expected = {"error": f"The key 'limt' of the query is unknown: {takes}.", "status": 400, "field": "limt"}
        assert (path, answer.json()) == (path, expected)


def test_a_name_of_any_letters_is_shown_as_it_was_sent(api):
    error = api.get("/api/v1/models/größe 東京/versions").json()["error"]
    assert "größe 東京" in error


def test_every_kind_is_pruned_by_a_reviewed_plan(api, workspace, ana):
    workspace.settings_file.write_text("retention: {runs: 1}\n")
    with Runs(workspace) as runs:
        for _ in range(3):
            runs.finish(runs.start(name="n", actor=ana).run_id, RunStatus.FINISHED, actor=ana)
    (kind,) = api.post("/api/v1/prunes/plans", json={}).json()["kinds"]
    assert (kind["kind"], kind["is_automatic"]) == ("runs", True)
    assert [item["name"] for item in kind["items"]] == ["r-0001", "r-0002"]
    assert api.post("/api/v1/prunes", json={"expected": ["runs:r-0001"]}).status_code == 409
    expected = ["runs:r-0001", "runs:r-0002"]
    assert api.post("/api/v1/prunes", json={"expected": expected, "reason": "tidy"}).status_code == 200
    assert [run["run_id"] for run in api.get("/api/v1/runs").json()] == ["r-0003"]
    assert api.post("/api/v1/prunes/plans", json={"kinds": ["models"]}).status_code == 400


def test_the_workspace_is_examined_and_nothing_is_repaired(api, workspace):
    assert api.get("/api/v1/doctor").json() == []
    file = workspace.state_dir / "sessions.json"
    file.write_text("{torn")
    (finding,) = [found for found in api.get("/api/v1/doctor").json() if found["file"].endswith("sessions.json")]
    assert finding["problem"]
    assert file.read_text() == "{torn"


def test_the_space_of_every_store_is_measured(api):
    space = api.get("/api/v1/doctor/space").json()
    assert {"telemetry", "reports", "past"} <= {store["store"] for store in space["stores"]}
    assert space["n_bytes"] == sum(store["n_bytes"] for store in space["stores"])
    assert space["forecast"] is None


def test_runs_are_listed_and_compared(api, workspace, ana):
    with Runs(workspace) as runs:
        first, second = (
            runs.start(name=name, actor=ana, parameters={"depth": depth}) for name, depth in (("a", 1), ("b", 2))
        )
        runs.log_metrics(first.run_id, 1, {"loss": 0.5})
    assert [run["name"] for run in api.get("/api/v1/runs").json()] == ["b", "a"]
    assert api.get(f"/api/v1/runs/{first.run_id}").json()["parameters"] == {"depth": 1}
    assert api.get(f"/api/v1/runs/{first.run_id}/metrics").json() == {"loss": [[1, 0.5]]}
    assert "link" not in api.get(f"/api/v1/runs/{first.run_id}/metrics").headers
    compared = api.get("/api/v1/runs/compare", params={"run_id": [first.run_id, second.run_id]}).json()
    assert {"section": "parameters", "name": "depth", "values": [1, 2]}.items() <= next(
        row for row in compared["rows"] if row["name"] == "depth"
    ).items()
    assert api.get("/api/v1/runs/compare", params={"run_id": first.run_id}).status_code == 400
    assert api.get("/api/v1/runs/r-9999").status_code == 404


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize(
    "at",
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-14:00"],
)
def test_an_instant_at_the_end_of_the_calendar_is_refused(api, name, at):
    answer = api.get("/api/v1/audit", params={name: at})
    assert (answer.status_code, answer.json()["field"]) == (400, name)
    assert "outside the years 1970 to 9998" in answer.json()["error"]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01", "9999-12-31"])
def test_a_search_of_runs_takes_any_instant_of_the_calendar(api, at):
    for comparison in ("<", ">="):
        answer = api.get("/api/v1/runs", params={"filter": f"started_at {comparison} '{at}'"})
        assert answer.status_code in (200, 400), answer.text
        assert "Internal" not in answer.text


def test_status_resources_and_audit_records_are_returned(api):
    status = api.get("/api/v1/status").json()
    assert (status["engine"], status["ready"], status["alerts"]) == (None, False, [])
    assert "resource.cpu_percent" in api.get("/api/v1/resources", params={"seconds": 60}).json()
    assert api.get("/api/v1/resources", params={"seconds": -1}).status_code == 400
    assert api.get("/api/v1/audit", params={"n": 5}).json()[0]["verb"] == "token.create"
    newest = api.get("/api/v1/audit", params={"n": 1}).json()[0]
    asked = {"actor": newest["actor"], "verb": "create", "people": True, "since": newest["at"], "until": newest["at"]}
    assert [one["sequence"] for one in api.get("/api/v1/audit", params=asked).json()] == [newest["sequence"]]
    assert api.get("/api/v1/audit", params=asked | {"verb": "promote"}).json() == []
    assert api.get("/api/v1/audit", params={"since": "2026-03-01T02:50:00"}).json()["field"] == "since"
    assert api.get("/api/v1/audit/verification").json()["ok"] is True


def test_tokens_are_created_and_revoked_by_admins_and_never_shown_again(api):
    made = api.post("/api/v1/tokens", json={"name": "probe", "role": "viewer", "valid_days": 1})
    assert made.json()["token"].startswith("bondx_")
    listed = api.get("/api/v1/tokens").json()
    assert made.json()["token"] not in str(listed)
    assert all("digest" not in token for token in listed)
    revoked = api.delete(f"/api/v1/tokens/{made.json()['token_id']}", params={"reason": "lost"}).json()
    assert revoked["revoked_by"].startswith("ana@")
    refused = api.get("/api/v1/status", headers={"authorization": f"Bearer {made.json()['token']}"})
    assert refused.status_code == 401


@pytest.mark.parametrize("person", ["engine", "Engine", "anonymous"])
def test_a_token_belongs_to_a_person_and_not_to_the_engine(api, person):
    answer = api.post("/api/v1/tokens", json={"name": "probe", "role": "viewer", "person": person})
    assert answer.status_code == 400
    assert "is reserved" in answer.json()["error"]


def test_the_server_sets_the_time_of_an_outcome(api):
    reported = {"request_id": "r1", "actual": 1.0, "at": "2199-01-01T00:00:00Z"}
    answer = api.post("/api/v1/outcomes", json={"outcomes": [reported]})
    assert answer.status_code == 400
    assert "at" in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/api/v1/outcomes", '{"outcomes":%s}', id="where a list is wanted"),
        pytest.param("/api/v1/sessions", '{"settings":{"max_epochs":%s}}', id="where anything may be"),
    ],
)
def test_a_too_deeply_nested_body_is_a_client_error(api, path, body, caplog):
    answer = api.post(path, content=body % ("[" * 20_000 + "]" * 20_000), headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "nested too deep" in answer.json()["error"]
    assert [record.exc_info for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(DiskFullError(Path("registry.json"), "write", "No space left"), 503, id="full disk"),
        pytest.param(DamagedFileError(Path("registry.json"), "it is torn", None), 503, id="damaged file"),
        pytest.param(TelemetryError("locked"), 503, id="locked store"),
        pytest.param(InDoubtError(Path("registry.json"), "I/O error"), 500, id="in doubt"),
    ],
)
def test_a_failure_of_the_server_is_not_a_client_error(api, monkeypatch, error, status):
    def models(self):
        raise error

    monkeypatch.setattr(Registry, "models", models)
    answer = api.get("/api/v1/models")
    assert answer.status_code == answer.json()["status"] == status


def test_a_bug_is_a_500_without_a_traceback(api, monkeypatch, caplog):
    def broken(self):
        raise ZeroDivisionError("in the middle of it")

    monkeypatch.setattr("core.registry.Registry.models", broken)
    api.raise_server_exceptions = False
    answer = api.get("/api/v1/models")
    assert answer.status_code == 500
    assert "middle" not in answer.text
    assert "ZeroDivisionError" in caplog.text


def test_a_long_history_is_read_page_by_page_or_as_its_course(workspace, api, ana):
    with Runs(workspace) as runs:
        run = runs.start(name="long", actor=ana)
        for step in range(2_000):
            runs.log_metrics(run.run_id, step, {"loss": 7.0 if step == 1_234 else 1 / (1 + step)})
    path, found, links = f"/api/v1/runs/{run.run_id}/metrics", [], 0
    answer = api.get(path, params={"limit": 900})
    while True:
        found += answer.json()["loss"]
        if "next" not in answer.links:
            break
        links += 1
        answer = api.get(answer.links["next"]["url"])
    assert links == 2
    assert [step for step, _ in found] == list(range(2_000))
    course = api.get(path, params={"spans": 16}).json()["loss"]
    assert len(course) <= 4 * 16
    assert [1_234, 7.0] in course
    assert course[-1][0] == 1_999
    assert api.get(path, params={"limit": 0}).status_code == 400
