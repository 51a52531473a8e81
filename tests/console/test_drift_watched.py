"""`bondx drift status`, `bondx drift why` and the line of `bondx status`: what the engine found of live versions."""

import json
from contextlib import closing
from datetime import timedelta

import pytest

from console.cli.main import main
from console.commands.drift_watched import reasoning_text
from console.commands.status import exit_code, facts_of
from console.presentation.health import reasoning_lines
from core.monitoring.documents import (
    EstimatePart,
    HealthReason,
    HealthState,
    LabelsPart,
    ModelMonitoring,
    VersionHealth,
)
from core.monitoring.monitoring_store import MonitoringStore
from core.monitoring.reasoning import as_of
from core.state import Workspace
from core.view.past.recorder import DocumentRecorder
from core.view.source import SnapshotSource
from tests.console.conftest import NOW
from tests.monitored import LOOKED_AT, a_version, health, monitored

WELL = {"health": health(HealthState.HEALTHY), "drift": None}
FAILS = HealthReason(source="errors", state=HealthState.FAILING, text="300 of 900 requests failed", weight=3.3)
FAILING = {"health": health(HealthState.FAILING, FAILS), "drift": None}


@pytest.fixture
def workspace(tmp_path, settings_text):
    return Workspace.create(tmp_path / "desk", settings_text=settings_text)


@pytest.fixture
def bondx(workspace, called):
    return lambda *arguments: called(main, "--workspace", workspace.root, *arguments)


def test_nothing_is_claimed_before_the_first_look(bondx):
    assert bondx("drift", "status") == (0, "No live version has been looked at yet.\n", "")


def test_the_live_versions_are_listed_by_health(bondx, workspace):
    documents = [
        ModelMonitoring(model=model, versions=(a_version(**known),), updated_at=LOOKED_AT)
        for model, known in (("anomaly", WELL), ("spread", {}), ("downgrade", FAILING))
    ]
    MonitoringStore(workspace).write(documents)
    code, out, _ = bondx("drift", "status")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["downgrade", "spread", "anomaly"]
    assert lines[2].split("  ")[-1] == "sector: Energy 12% -> 31% of the rows"
    assert code == 1


@pytest.mark.parametrize(("known", "code"), [(WELL, 0), ({}, 1), (FAILING, 1)], ids=["healthy", "drifted", "failing"])
def test_a_script_learns_from_the_exit_code_whether_something_is_wrong(bondx, workspace, known, code):
    monitored(workspace, "spread", **known)
    assert bondx("drift", "status")[0] == bondx("drift", "why", "spread")[0] == code


def test_the_whole_reasoning_is_written_out(bondx, workspace):
    monitored(workspace, "spread")
    _, out, _ = bondx("drift", "why", "spread")
    assert out.splitlines() == [
        "spread 1.0.0 (stable): degraded since 2026-11-27 07:20 UTC",
        "  degraded, drift (3.79): sector: Energy 12% -> 31% of the rows",
        "  before: healthy 2026-11-27 06:20 UTC",
        "",
        "drift: alarm, 5,000 rows counted since 2026-11-27 02:30 UTC",
        "  at most one false alarm in 30 days on average",
        "  alarm, sector: Energy 12% -> 31% of the rows; PSI 0.42; evidence 130% of what decides; since "
        "2026-11-27 07:12 UTC; most where region = EU; 31% of the model's importance",
        "  stable: size",
        "",
        "performance: holds, 412 outcomes, 40% of the answers wait for theirs",
        "  mae 9.9 (9.1 to 10.8), 9.8 on held-out rows: not worse",
        "",
        "estimate without outcomes: open, 5,000 rows, density ratios",
        "  mae 10.4 (9.4 to 11.5): not decided",
        "  it cannot see: a changed relation between features and outcome",
        "",
        "traffic: 900 requests in 15 minutes, 3 failed, p95 8 ms (usually 7.5 ms)",
        "",
        "as of 2026-11-27 07:30 UTC; not watched now: no engine is running",
    ]


def test_wanted_outcomes_and_the_reason_for_no_estimate_are_in_the_reasoning(bondx, workspace):
    labels = LabelsPart(
        as_of=LOOKED_AT,
        draw="spread@1.0.0/1",
        asked_at=LOOKED_AT,
        asked_by="ana@desk",
        reason="absolute error 9.2 (7.1 to 11.3) by wanted outcomes, 8.9 on held-out rows",
        by_when="about 31 more outcomes would decide, expected by 2026-11-29 10:00 UTC at the rate so far",
        n_wanted=60,
        n_rows=5000,
        n_outcomes=29,
        notes=("2 wanted predictions are not stored.",),
    )
    estimate = EstimatePart(as_of=LOOKED_AT, reason="there is no estimate: no answered row was sampled")
    monitored(workspace, "spread", labels=labels, estimate=estimate)
    out = bondx("drift", "why", "spread")[1].splitlines()
    assert "estimate without outcomes: there is no estimate: no answered row was sampled" in out
    at = out.index("wanted outcomes: open, 29 outcomes for 60 wanted rows")
    assert out[at + 1 : at + 4] == [f"  {labels.reason}", f"  {labels.by_when}", f"  {labels.notes[0]}"]
    version = MonitoringStore(workspace).get("spread").live
    shown = [line.text.strip() for line in reasoning_lines(version)]
    at = shown.index("wanted outcomes: open, 29 outcomes for 60 wanted rows")
    assert shown[at + 1 : at + 5] == [
        labels.reason,
        labels.by_when,
        labels.notes[0],
        "asked for on 2026-11-27 07:30 UTC by ana@desk, of 5,000 rows",
    ]
    code, text, _ = bondx("performance", "estimate", "spread")
    assert (code, text.splitlines()[1]) == (0, f"estimate without outcomes: {estimate.reason}")
    assert json.loads(bondx("performance", "estimate", "spread", "--json")[1])["version"] == "1.0.0"


@pytest.mark.parametrize(
    ("absent", "age", "said"),
    [
        pytest.param(None, 60, "", id="of the last minute"),
        pytest.param(None, 61, "as of 2026-11-27 07:30 UTC", id="older figures"),
        pytest.param(
            "no engine is running",
            0,
            "as of 2026-11-27 07:30 UTC; not watched now: no engine is running",
            id="no engine",
        ),
    ],
)
def test_verdicts_say_of_when_they_are_unless_they_are_of_now(absent, age, said):
    found = ModelMonitoring(model="spread", versions=(a_version(),), updated_at=LOOKED_AT)
    assert as_of([found], LOOKED_AT + timedelta(seconds=age), absent) == said


def test_w_and_drift_why_say_the_same_lines(workspace):
    monitored(workspace, "spread")
    version = MonitoringStore(workspace).get("spread").live
    shown = [line.text.strip() for line in reasoning_lines(version)]
    written = [line.strip() for line in reasoning_text("spread", version)]
    assert [f"spread 1.0.0 (stable): {shown[0]}", *shown[1:]] == written


def test_of_equal_states_the_heavier_reason_comes_first(bondx, workspace):
    heavy = HealthReason(source="errors", state=HealthState.FAILING, text="all requests failed", weight=9.0)
    states = (("anomaly", FAILS), ("spread", heavy))
    MonitoringStore(workspace).write(
        ModelMonitoring(
            model=model, versions=(a_version(health=health(HealthState.FAILING, why)),), updated_at=LOOKED_AT
        )
        for model, why in states
    )
    assert bondx("drift", "status")[1].splitlines()[1].startswith("spread")
    assert "; spread 1.0.0 failing" in bondx("status")[1]


def test_a_state_of_health_is_always_written(bondx, workspace):
    monitored(workspace, "spread", health=VersionHealth(missing=("requests: none",)))
    assert json.loads(bondx("drift", "why", "spread", "--json")[1])["health"]["state"] == "unknown"


def test_json_has_the_documents_themselves(bondx, workspace):
    monitored(workspace, "spread")
    (document,) = json.loads(bondx("drift", "status", "--json")[1])
    assert document["versions"][0] == json.loads(bondx("drift", "why", "spread", "--json")[1])
    assert document["versions"][0]["drift"]["columns"][0]["changed_at"] == "2026-11-27T07:12:00Z"


def test_a_model_that_is_not_watched_is_refused_with_those_that_are(bondx, workspace):
    monitored(workspace, "spread", "anomaly")
    code, _, err = bondx("drift", "why", "curve")
    assert code == 2
    assert "No live version of 'curve' has been looked at. Watched models: anomaly, spread." in err


def test_a_version_that_is_not_live_is_refused_with_those_that_are(bondx, workspace):
    monitored(workspace, "spread")
    code, _, err = bondx("drift", "why", "spread", "--version", "9.9.9")
    assert (code, err) == (2, "bondx: spread 9.9.9 is not live. Live versions: 1.0.0.\n")


def test_the_past_is_shown_as_it_was(bondx, workspace, clock):
    with closing(DocumentRecorder(workspace, hours=1000, clock=clock)) as recorder:
        for known in (WELL, FAILING):
            monitored(workspace, "spread", **known)
            recorder.look()
            clock.pass_by(60)
    for minutes, state in ((1, "failing"), (2, "healthy")):
        at = f"{clock() - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S}"
        assert state in bondx("drift", "status", "--at", at)[1]


def facts(workspace):
    return facts_of(SnapshotSource(workspace, clock=lambda: NOW).take())


def test_status_has_one_line_on_health_with_the_worst_model(bondx, workspace):
    documents = [
        ModelMonitoring(model=model, versions=(a_version(**known),), updated_at=LOOKED_AT)
        for model, known in (("anomaly", WELL), ("downgrade", WELL), ("spread", {}))
    ]
    MonitoringStore(workspace).write(documents)
    (line,) = (line for line in bondx("status", "--plain")[1].splitlines() if line.startswith("health: "))
    assert line == (
        "health: 1 degraded, 2 healthy; spread 1.0.0 degraded since 2026-11-27 07:20:00 UTC: sector: Energy 12% -> 31% "
        "of the rows; not watched now: no engine is running"
    )


def test_status_says_what_is_missing_where_health_is_unknown(bondx, workspace):
    missing = ("errors: 3 requests in 15 minutes, of 50 needed",)
    monitored(workspace, "spread", health=health(HealthState.UNKNOWN, missing=missing))
    assert f"unknown since 2026-11-27 07:20:00 UTC: {missing[0]}" in bondx("status")[1]


def test_status_says_nothing_of_health_without_a_live_version(bondx):
    assert "health" not in bondx("status")[1]


@pytest.mark.parametrize(("known", "code"), [(WELL, 0), ({}, 0), (FAILING, 1)], ids=["healthy", "degraded", "failing"])
def test_the_exit_code_of_status_is_1_while_a_model_is_failing(workspace, known, code):
    monitored(workspace, "spread", **known)
    assert exit_code(facts(workspace)) == code


def test_status_in_json_names_the_health_of_each_model(bondx, workspace):
    monitored(workspace, "spread")
    (found,) = json.loads(bondx("status", "--json")[1])["health"]
    assert found == {
        "model": "spread",
        "version": "1.0.0",
        "state": "degraded",
        "since": "2026-11-27T07:20:00Z",
        "reasons": ["sector: Energy 12% -> 31% of the rows"],
        "missing": [],
    }


@pytest.mark.parametrize("verbs", [("status",), ("status", "--json"), ("why", "spread")])
def test_a_damaged_file_is_no_good_news(bondx, workspace, verbs):
    monitored(workspace, "spread")
    (workspace.root / "state" / "monitoring.json").write_text("{")
    code, out, errors = bondx("drift", *verbs)
    assert code not in (0, 1)
    assert out == ""
    assert "monitoring.json" in errors


def test_the_history_has_every_change_of_health_and_of_verdicts_newest_first(bondx, workspace, clock):
    with closing(DocumentRecorder(workspace, hours=1000, clock=clock)) as recorder:
        for known in (WELL, {}, FAILING):
            monitored(workspace, "spread", **known)
            recorder.look()
            clock.pass_by(60)
    code, out, _ = bondx("drift", "history", "spread")
    assert code == 0
    rows = [line.split("  ") for line in out.splitlines()]
    changes = [[cell.strip() for cell in row if cell.strip()] for row in rows[1:-1]]
    assert ["2026-11-27 07:30 UTC", "1.0.0", "inputs", "-", "alarm", "sector: Energy 12% -> 31% of the rows"] in changes
    assert ["2026-11-27 07:30 UTC", "1.0.0", "inputs", "alarm", "-", "-"] in changes
    assert "telemetry.past_hours" in out.splitlines()[-1]
    found = json.loads(bondx("drift", "history", "spread", "--json")[1])
    healths = [(each["state"], each["reason"]) for each in found["changes"] if each["what"] == "health"]
    assert ("failing", "300 of 900 requests failed") in healths
    assert ("degraded", "sector: Energy 12% -> 31% of the rows") in healths
    assert found["changes"] == sorted(found["changes"], key=lambda each: each["at"], reverse=True)
    since = json.loads(bondx("drift", "history", "spread", "--json", "--since", "2026-11-27T07:30:00")[1])["changes"]
    assert since == [each for each in found["changes"] if each["at"] >= "2026-11-27T07:30:00"]
    assert 0 < len(since) < len(found["changes"])
    assert "Nothing has changed since then." in bondx("drift", "history", "spread", "--since", "2026-11-27T23:00")[1]
    code, _, err = bondx("drift", "history", "curve")
    assert (code, "Watched models: spread" in err) == (2, True)


def test_the_history_without_a_recorded_past_has_the_changes_of_health(bondx, workspace):
    monitored(workspace, "spread")
    _, out, _ = bondx("drift", "history", "spread")
    assert "no engine has recorded the past yet" in out
    assert "healthy" in out


def test_a_screen_reader_gets_the_tables_of_screen_6(bondx, workspace):
    monitored(workspace, "spread")
    models, columns, metrics = json.loads(bondx("show", "drift", "--json")[1])
    assert [(row["model"], row["health"]) for row in models["rows"]] == [("spread", "degraded")]
    assert [(row["column"], row["verdict"]) for row in columns["rows"]] == [("sector", "alarm"), ("size", "stable")]
    told = [(row["basis"], row["metric"], row["value"], row["n"]) for row in metrics["rows"]]
    assert told == [("outcomes", "mae", 9.9, 412), ("estimate", "mae", 10.4, None)]
    assert "Inputs and answers: model spread, version 1.0.0, column sector" in bondx("show", "drift", "--plain")[1]
