"""Retrainings over HTTP: what the command line can do, and the same refusals."""

from core.retraining.document import DesiredRetraining
from core.retraining.retrainings import Retrainings

PATH = "/api/v1/retrainings"


def test_a_retraining_is_asked_for_steered_and_cancelled(api, workspace, artifacts, put_live):
    put_live(workspace, "spread", artifacts / "spread")
    asked = api.post(PATH, json={"model": "spread", "reason": "spreads have widened"})
    assert asked.status_code == 201
    found = asked.json()
    assert (found["trigger"], found["observed"]["phase"], found["observed"]["champion"]) == ("api", "queued", "1.0.0")
    where = f"{PATH}/{found['retraining_id']}"
    assert api.get(where).json() == found
    assert api.get(f"{PATH}/spread").json() == found
    assert api.get(PATH).json() == [found]
    assert api.post(PATH, json={"model": "spread"}).status_code == 409
    assert (found["priority"], api.post(PATH, json={"model": "spread", "priority": 10}).status_code) == (1, 400)

    held = api.post(f"{where}/requests", json={"desired": "held", "reason": "release night"})
    assert held.json()["desired"] == DesiredRetraining.HELD
    stale = {"desired": "cancelled", "expected_revision": found["revision"]}
    assert api.post(f"{where}/requests", json=stale).status_code == 409
    assert api.post(f"{where}/requests", json={"desired": "held"}).status_code == 422
    assert api.post(f"{where}/approvals", json={"reason": "plausible"}).status_code == 422
    now = {"desired": "cancelled", "expected_revision": held.json()["revision"], "reason": "the wrong month"}
    assert api.post(f"{where}/requests", json=now).json()["desired"] == "cancelled"
    assert Retrainings(workspace).get(found["retraining_id"]).desired_reason == "the wrong month"


def test_what_is_due_and_why_not_now_is_said_of_each_live_model(api, workspace, artifacts, put_live):
    assert api.get(f"{PATH}/plans").json() == []
    put_live(workspace, "spread", artifacts / "spread")
    (plan,) = api.get(f"{PATH}/plans").json()
    assert (plan["model"], plan["live"], plan["is_due"]) == ("spread", "1.0.0", False)
    counted = api.get(f"{PATH}/plans/spread").json()
    assert counted["n_samples"] == 0
    assert any("not enabled" in blocker for blocker in counted["blockers"])
    assert counted["would"]


def test_a_model_without_a_live_version_and_an_unknown_one_are_refused(api, workspace, artifacts, register):
    register(workspace, "spread", artifacts / "spread")
    refused = api.post(PATH, json={"model": "spread"})
    assert refused.status_code == 422
    assert "no live version" in refused.json()["error"]
    assert api.post(PATH, json={"model": "nothing"}).status_code == 404
    assert api.get(f"{PATH}/rt-0009").status_code == 404


def test_the_leaderboard_and_a_rehearsal_are_read_over_http(api, workspace, artifacts, put_live):
    put_live(workspace, "spread", artifacts / "spread")
    (champion,) = api.get(f"{PATH}/leaderboards/spread").json()
    assert (champion["version"], champion["verdict"], champion["is_proposed"]) == ("1.0.0", "live", False)
    assert api.get(f"{PATH}/leaderboards/nothing").status_code == 404

    wish = {"policy": {"promotion": {"min_accuracy": 0.9999}}, "over_days": 1, "models": ["spread"]}
    found = api.post("/api/v1/policy/rehearsals", json=wish)
    assert found.status_code == 200
    (promoted,) = [event for event in found.json()["rehearsal"]["events"] if event["would"] == "no"]
    assert (promoted["kind"], promoted["happened"]) == ("promotion", True)
    refused = api.post("/api/v1/policy/rehearsals", json={"policy": {"promotion": {"min_accuracy": 7}}})
    assert refused.status_code == 400
    assert "min_accuracy" in refused.json()["error"]
