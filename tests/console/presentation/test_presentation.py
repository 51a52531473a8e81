"""From snapshots to words: what an operator reads, and in which order."""

import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import msgspec
import pytest

from console.presentation import alerts, audit, epochs, resources, rollouts, sessions, versions
from console.presentation.gates import gate_lines, judged, summary
from console.presentation.offer import AskAgainError
from console.presentation.phrases import age, duration, number, share, size
from console.presentation.rollout_progress import summary_lines
from console.presentation.status import HOST, Circumstances, attached_to, status_of
from console.presentation.unattended import advice, unattended
from console.presentation.write_access import WriteAccess
from console.verbs.engine import leave_offer, needs_of
from console.verbs.offer import OfferContext
from console.verbs.rollout import ABORT, ADVANCE, HOLD_OR_RESUME, Hold, RollBackRollout, UndoPromotion
from console.verbs.session import PAUSE, START, PauseOrResume, StartOrStop
from console.verbs.stage_move import plan_offer
from core.alerts import AlertState
from core.errors import RefusedError
from core.quality.gate import judge
from core.registry import Registry
from core.rollout import DesiredRollout, RolloutPhase
from core.settings import AlertSettings, ModelSettings, TrainingSettings
from core.settings.agents import AgentsSettings
from core.state import LeaseHolder, Workspace
from core.training.criteria import criteria
from core.training.criterion import Criterion
from core.training.scores import EpochScore, EpochScores
from core.training.session import DesiredSession, SessionPhase
from core.training.sessions import Sessions
from core.training.tuning.records import TuningProgress, TuningStanding
from core.view.source import SnapshotSource
from tools.demo import OPERATOR, epoch_metrics, gates, make_demo
from widgets.columns import fit_columns
from widgets.glyphs import ASCII, UNICODE
from widgets.live_table import Cell

NOW = datetime(2026, 3, 2, 3, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return make_demo(tmp_path_factory.mktemp("demo") / "desk-risk", now=NOW)


@pytest.fixture(scope="module")
def snapshot(workspace):
    return SnapshotSource(workspace, clock=lambda: NOW).take()


def texts(row):
    return [cell if isinstance(cell, str) else cell.text for cell in row.cells]


def plain(lines):
    return "\n".join(line.text for line in lines)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "now"), (59, "now"), (60, "1m"), (3599, "59m"), (3600, "1h"), (86_399, "23h"), (86_400, "1d")],
)
def test_ages_count_in_coarse_steps(seconds, said):
    assert age(NOW - timedelta(seconds=seconds), NOW) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0s"),
        (9.4, "9s"),
        (12, "10s"),
        (59, "1m"),
        (400, "7m"),
        (3601, "1h"),
        (9000, "2h 30m"),
        (90_000, "1d 1h"),
        (float("nan"), "–"),
        (float("inf"), "–"),
    ],
)
def test_longer_durations_are_rounded_more_coarsely(seconds, said):
    assert duration(seconds) == said


def test_unknown_values_are_a_dash():
    assert {share(None), number(None), size(None), age(None, NOW), duration(None), number(float("nan"))} == {"–"}


def test_failed_gates_come_first_with_value_limit_and_offending_rows():
    assert [gate.name for gate in judged(gates())][:2] == ["esg_missing", "maturity_anomalies"]
    text = plain(gate_lines(gates(), UNICODE))
    assert text.index("✗ fail") < text.index("! warn") < text.index("✓ pass")
    assert "22.4% <= 20%" in text
    assert "224 rows: BX000017" in text


@pytest.mark.parametrize(
    ("unit", "value", "reason", "said"),
    [
        ("failed", 2.0, "the model failed facts, floor", "the model failed facts, floor"),
        (
            "problems",
            2.0,
            "the files are not as registered",
            "the files are not as registered; 2 problems: facts, floor",
        ),
        ("%", 2.0, "too many", "too many; 2 rows: facts, floor"),
    ],
    ids=["gates that the reason names", "problems", "rows"],
)
def test_what_broke_a_rule_is_counted_by_its_own_name_and_once(unit, value, reason, said):
    broken = {"n_offending": 2, "offending": ("facts", "floor")}
    gate = judge("quality_gates", value, "<=", 0.0, unit=unit, reason=reason, **broken)
    assert said in plain(gate_lines([gate], UNICODE)).splitlines()[1]
    assert plain(gate_lines([gate], UNICODE)).count("floor") == 1


@pytest.mark.parametrize(
    ("judged_gates", "said"),
    [((), "–"), (gates(), "✗ 1/6 fail"), (gates()[2:5], "! 1/3 warn"), (gates()[:1], "✓ 1 pass")],
    ids=["none", "a failure", "a warning", "all pass"],
)
def test_a_summary_of_gates_shows_the_worst_verdict(judged_gates, said):
    assert summary(judged_gates, UNICODE).text == said


def test_versions_are_listed_by_model_newest_first(snapshot):
    rows = versions.version_rows(snapshot.versions, NOW, UNICODE, marked=("spread/1.2.0",))
    assert [row.key for row in rows if row.key.startswith("spread")] == [f"spread/1.{n}.0" for n in (3, 2, 1, 0)]
    marked = next(row for row in rows if row.key == "spread/1.2.0")
    assert texts(marked)[:5] == ["→", "spread", "1.2.0", "● Production", "94.2%"]


def test_a_list_of_versions_draws_anew_only_the_rows_that_look_different(snapshot):
    first = versions.version_rows(snapshot.versions, NOW, UNICODE)
    again = versions.version_rows(snapshot.versions, NOW + timedelta(seconds=1), UNICODE)
    assert all(before is after for before, after in zip(first, again, strict=True))
    marked = versions.version_rows(snapshot.versions, NOW, UNICODE, marked=("spread/1.2.0",))
    assert [after.key for before, after in zip(first, marked, strict=True) if before is not after] == ["spread/1.2.0"]
    older = versions.version_rows(snapshot.versions, NOW + timedelta(days=400), UNICODE)
    assert all(row.text(6).endswith("d") for row in older)
    assert versions.version_rows(snapshot.versions, NOW, ASCII)[0].text(5) != first[0].text(5)
    quarantined = versions.version_rows(snapshot.versions, NOW, UNICODE, quarantined={"spread/1.2.0"})
    assert sum("quarantined" in row.text(5) for row in quarantined) == 1


def test_version_1_10_is_newer_than_1_9(snapshot):
    nine, ten = (msgspec.structs.replace(snapshot.versions[0], version=number) for number in ("1.9.0", "1.10.0"))
    assert [version.version for version in versions.newest_first([nine, ten])] == ["1.10.0", "1.9.0"]


def test_live_models_show_the_next_version(snapshot):
    rows = versions.live_rows(snapshot, {"spread": [0.1, 0.2]}, NOW, UNICODE, str)
    by_model = {row.key: texts(row) for row in rows}
    assert [*by_model["spread"][1:3], *by_model["spread"][4:6]] == ["1.2.0", "3h", "94.2%", "1.3.0 Staging"]
    assert by_model["anomaly"][1:6] == ["none", "–", "–", "–", "1.3.0 Development"]
    assert by_model["spread"][6] == "[0.1, 0.2]"
    assert by_model["downgrade"][5] == "● 1.3.0 at 10%"  # what is tried tells more than what is newest


def test_details_of_a_version_show_metrics_gates_lineage_and_stage_changes(snapshot):
    version = snapshot.version("spread", "1.2.0")
    text = plain(versions.detail_lines(version, snapshot, UNICODE))
    for fact in ("attainment", "liquidity_index_median", "n_rows  1000", "weekly release", "s-0001"):
        assert fact in text


def test_details_of_a_version_show_its_names_and_the_rollout_of_its_model(snapshot):
    checked = msgspec.structs.replace(snapshot.version("spread", "1.0.0"), checked="it answered rows")
    assert "checked  it answered rows" in plain(versions.fact_lines(checked, snapshot, UNICODE))
    text = plain(versions.fact_lines(snapshot.version("spread", "1.0.0"), snapshot, UNICODE))
    assert "@baseline" in text
    assert "rollout" not in text
    text = plain(versions.fact_lines(snapshot.version("downgrade", "1.2.0"), snapshot, UNICODE))
    assert "ro-0002, canary 1.2.0 → 1.3.0: running, step 2 of 3, 10% of the requests" in text


def test_sessions_show_phase_progress_and_a_time_left_only_while_running(snapshot):
    running, finished = snapshot.sessions
    label, done, note, _ = sessions.progress(running)
    assert (label, done, note) == ("epoch 41 of 100", 0.41, "at most 30m left")
    assert sessions.title(running, UNICODE) == "s-0002 autonomous  ● running"
    assert sessions.progress(finished)[2] == "took 1h"
    assert "converged" in plain(sessions.summary_lines(finished, UNICODE))


def test_sessions_of_several_domains_are_named_with_their_own(snapshot):
    running, finished = snapshot.sessions
    other = msgspec.structs.replace(finished, settings=finished.settings | {"domain": "etrm"})
    assert [texts(row)[1] for row in sessions.session_rows([running, finished], NOW, UNICODE)] == [
        running.name,
        finished.name,
    ]
    mixed = sessions.session_rows([running, other], NOW, UNICODE)
    assert [texts(row)[1] for row in mixed] == [f"{running.name} (bonds)", f"{other.name} (etrm)"]
    assert [row.cells[1].value for row in mixed] == [running.name, other.name], "exports keep the name"
    assert sessions.title(running, UNICODE, with_domain=True) == "s-0002 autonomous (bonds)  ● running"
    unnamed = msgspec.structs.replace(running, name="")
    assert sessions.title(unnamed, UNICODE, with_domain=True) == "s-0002 (bonds)  ● running"


@pytest.mark.parametrize(
    ("desired", "said"),
    [(DesiredSession.PAUSED, "pausing"), (DesiredSession.STOPPED, "stopping"), (DesiredSession.RUNNING, "running")],
)
def test_a_request_shows_before_it_is_carried_out(snapshot, desired, said):
    asked = msgspec.structs.replace(snapshot.sessions[0], desired=desired)
    assert sessions.phase_cell(asked, UNICODE).text == f"● {said}"


def test_a_session_without_an_engine_does_not_claim_to_run(snapshot):
    running, finished = snapshot.session("s-0002"), snapshot.session("s-0001")
    assert sessions.title(running, UNICODE, absence="no engine is running") == "s-0002 autonomous  ○ no engine"
    assert sessions.progress(running, absence="no engine is running")[2] == "waiting: no engine is running"
    assert sessions.progress(finished, absence="no engine is running")[2] == "took 1h"
    row = sessions.session_rows([running], NOW, UNICODE, absence="no engine is running")[0]
    assert "–" in texts(row)


def test_waiting_for_an_engine_is_a_problem_until_an_engine_runs(snapshot):
    with_alerts, snapshot = snapshot, replace(snapshot, alerts=())
    idle = unattended(snapshot)
    assert idle.told == (
        "canary of downgrade 1.3.0 at 10% is not judged: no engine; s-0002 waits; :engine starts an engine"
    )
    assert idle.brief == "not judged: downgrade 1.3.0 at 10%"
    assert unattended(snapshot, starts_here=False).told.endswith("; bondx run --headless starts one")
    sessions_alone = unattended(replace(snapshot, rollouts=()), starts_here=False)
    assert sessions_alone.told == "s-0002 waits for an engine; bondx run --headless starts one"
    assert sessions_alone.brief == "work waits; bondx run --headless starts one"
    assert ":engine" not in advice(starts_here=False)
    holder = LeaseHolder(user="mira", host="desk-4", pid=1, mode="headless", acquired_at=NOW)
    assert unattended(replace(snapshot, engine=holder)) is None
    assert unattended(replace(snapshot, sessions=(), rollouts=())) is None
    rows = alerts.wrong_rows(snapshot, NOW, ASCII, idle=unattended(snapshot))
    assert [row.key for row in rows] == [alerts.NO_ENGINE]
    assert "; s-0002 waits; alerts are not evaluated; " in unattended(with_alerts).told


def test_open_alerts_that_no_engine_evaluates_are_of_the_past(snapshot):
    idle = unattended(replace(snapshot, sessions=(), rollouts=(), engine_left_at=NOW))
    assert idle.told == "no engine is running: alerts as of 2026-03-02 03:04 UTC; :engine starts an engine"
    assert idle.brief == "no engine: alerts as of 2026-03-02 03:04 UTC"
    resolved = tuple(msgspec.structs.replace(each, state=AlertState.RESOLVED) for each in snapshot.alerts)
    assert unattended(replace(snapshot, sessions=(), rollouts=(), alerts=resolved)) is None


def test_a_session_that_ends_on_its_own_is_stopping_in_another_tone(snapshot):
    running = snapshot.session("s-0002")
    ending = msgspec.structs.replace(
        running, observed=msgspec.structs.replace(running.observed, phase=SessionPhase.STOPPING, eta_seconds=0.0)
    )
    assert sessions.phase_cell(ending, UNICODE) == Cell("○ stopping", "accent", "stopping")
    assert "0s" not in texts(sessions.session_rows([ending], NOW, UNICODE)[0])
    asked = msgspec.structs.replace(ending, desired=DesiredSession.STOPPED)
    assert sessions.phase_cell(asked, UNICODE) == Cell("○ stopping", "warn", "stopping")


def test_a_failure_is_shown_with_its_count(snapshot):
    session = snapshot.sessions[0]
    failed = msgspec.structs.replace(
        session.observed, failure="the child was killed", n_failed_epochs=2, is_failing=True
    )
    assert "2 failed: the child was killed" in plain(
        sessions.summary_lines(msgspec.structs.replace(session, observed=failed), UNICODE)
    )


@pytest.mark.parametrize("phase", [SessionPhase.RUNNING, SessionPhase.PAUSED, SessionPhase.FINISHED])
def test_a_failure_since_which_a_session_has_gone_on_is_in_its_details_alone(snapshot, phase):
    cured = {"phase": phase, "failure": "the Dask scheduler does not answer", "n_failed_epochs": 4}
    session = snapshot.sessions[0]
    session = msgspec.structs.replace(session, observed=msgspec.structs.replace(session.observed, **cured))
    assert "does not answer" not in plain(sessions.summary_lines(session, UNICODE))
    details = plain(sessions.detail_lines(session, UNICODE))
    assert "the Dask scheduler does not answer (since then it has gone on)" in details
    assert "4 failed" in details


def test_a_session_that_failed_says_why_however_old_its_document(snapshot):
    failed = {"phase": SessionPhase.FAILED, "failure": "the child was killed", "n_failed_epochs": 2}
    session = snapshot.sessions[0]
    session = msgspec.structs.replace(session, observed=msgspec.structs.replace(session.observed, **failed))
    assert "2 failed: the child was killed" in plain(sessions.summary_lines(session, UNICODE))


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"phase": SessionPhase.FINISHED}, "bondx data reproduce s-0002 --out DIR"),
        ({"phase": SessionPhase.STOPPED}, "bondx data reproduce s-0002 --epoch 41 --out DIR"),
        ({"epoch": 0}, None),
    ],
)
def test_the_details_offer_only_data_that_can_be_drawn_again(snapshot, facts, told):
    session = snapshot.session("s-0002")
    session = msgspec.structs.replace(session, observed=msgspec.structs.replace(session.observed, **facts))
    details = plain(sessions.detail_lines(session, UNICODE))
    assert told in details if told else "reproduce" not in details
    parent = msgspec.structs.replace(session, children=("s-0003", "s-0004"))
    assert "bondx data reproduce AGENT --out DIR, for each agent" in plain(sessions.detail_lines(parent, UNICODE))


def test_a_warning_appears_below_the_score_and_in_the_details(snapshot):
    session = snapshot.sessions[0]
    calm = {"failure": None, "n_failed_epochs": 0, "n_rejected_epochs": 0, "announcements": ("a note",)}
    observed = msgspec.structs.replace(session.observed, **calm, warnings=("scikit-learn trains in its place",))
    warned = msgspec.structs.replace(session, observed=observed)
    assert "scikit-learn trains in its place" in plain(sessions.summary_lines(warned, UNICODE))
    details = plain(sessions.detail_lines(warned, UNICODE))
    assert "scikit-learn trains in its place" in details
    assert "a note" in details


def test_the_details_of_a_running_session_say_where_the_criteria_of_its_end_stand(snapshot):
    session = next(session for session in snapshot.sessions if session.observed.phase is SessionPhase.RUNNING)
    met = Criterion(name="patience", value=3.0, limit=3.0, is_met=True, at_epoch=41, text="3 of 3 epochs")
    still_open = msgspec.structs.replace(met, name="plateau", is_met=False, text="3 of 6 epochs: earliest epoch 44")
    observed = msgspec.structs.replace(session.observed, criteria=(met, still_open))
    running = msgspec.structs.replace(session, observed=observed)
    details = plain(sessions.detail_lines(running, UNICODE))
    assert "✓ 3 of 3 epochs" in details
    assert "○ 3 of 6 epochs: earliest epoch 44" in details
    ended = msgspec.structs.replace(running, observed=msgspec.structs.replace(observed, phase=SessionPhase.FINISHED))
    assert "earliest" not in plain(sessions.detail_lines(ended, UNICODE))


def test_the_screen_has_all_four_criteria_in_one_line_that_fits_80_columns(snapshot):
    session = next(session for session in snapshot.sessions if session.observed.phase is SessionPhase.RUNNING)
    history = EpochScores([EpochScore(0.8, 1.0), EpochScore(0.9, 1.0), EpochScore(0.95, 1.0)])
    settings = TrainingSettings(patience=100, max_epochs=500)
    observed = msgspec.structs.replace(session.observed, criteria=criteria(history, settings))
    running = msgspec.structs.replace(session, observed=observed)

    line = plain(sessions.summary_lines(running, UNICODE)[1:2])

    assert len(line) <= 76
    assert line == "until ○ improvement @4  ○ patience 0/100 @103  ✓ quality  ○ plateau @203"
    ended = msgspec.structs.replace(running, observed=msgspec.structs.replace(observed, phase=SessionPhase.FINISHED))
    assert "until" not in plain(sessions.summary_lines(ended, UNICODE))


def test_epochs_are_rows_newest_first_and_series_by_model(snapshot):
    history = snapshot.epochs["r-0001"]
    rows = epochs.epoch_rows(snapshot.epoch_pages["r-0001"].rows, ["spread"])
    assert texts(rows[0])[0] == "41"
    assert texts(rows[0])[4] == share(epoch_metrics(41)["spread.attainment"])
    assert len(epochs.epoch_columns(["spread"])) == len(rows[0].cells)
    assert epochs.loss_series(history, ["spread"])[0].points[0][1] == 100.0
    assert epochs.attainment_series(history, ["unknown"]) == []


def test_a_narrow_epoch_table_drops_duration_and_quality_before_any_model():
    models = ["spread", "downgrade", "liquidity_shock", "anomaly"]
    columns = epochs.epoch_columns(models)
    assert [columns[index].key for index, _ in fit_columns(columns, 54)] == ["epoch", "score", *models]


def test_a_loss_that_begins_at_zero_is_scaled_by_its_first_other_value():
    series = epochs.loss_series({"m.loss": ((1, 0.0), (2, 2.0), (3, 1.0))}, ["m"])
    assert series[0].points == ((1.0, 0.0), (2.0, 100.0), (3.0, 50.0))


def test_firing_alerts_come_first_and_resolved_alerts_last(snapshot):
    states = [texts(row)[2] for row in alerts.alert_rows(snapshot, NOW, UNICODE)]
    assert states == sorted(states, key=["firing", "pending", "acknowledged", "resolved"].index)


def test_problems_begin_with_unreadable_files(snapshot):
    rows = alerts.wrong_rows(replace(snapshot, problems=("registry.json is damaged",)), NOW, ASCII)
    assert texts(rows[0]) == ["x damage", "registry.json is damaged", "", ""]
    assert len(rows) == 5


def test_an_alert_says_what_to_do_and_which_key_leads_there(snapshot):
    by_rule = {alert.rule: plain(alerts.detail_lines(alert, snapshot, UNICODE)) for alert in snapshot.alerts}
    assert "Enter shows downgrade 1.0.0 in the registry." in by_rule["hash_mismatch"]
    assert "Enter shows the session" in by_rule["gate_failed"]
    assert "Nothing: it is resolved." in by_rule["training_stalled"]


def test_an_alert_about_a_rollout_leads_to_the_rollout(snapshot):
    labels = {"model": "spread", "rollout": "ro-0001"}
    alert = msgspec.structs.replace(snapshot.alerts[0], rule="rollout_rolled_back", labels=labels)
    told = plain(alerts.detail_lines(alert, snapshot, UNICODE))
    assert "Enter shows the rollout: what each guard measured, and when." in told


def _about(snapshot, **labels):
    """Let the first alert be about these labels, and return it with the snapshot that holds it."""
    alert = msgspec.structs.replace(snapshot.alerts[0], rule="hash_mismatch", labels=labels, state=AlertState.FIRING)
    return alert, replace(snapshot, alerts=(alert,))


def test_a_narrow_list_says_first_that_the_live_version_is_not_affected(snapshot):
    _, around = _about(snapshot, model="spread", version="1.3.0")
    (row,) = alerts.wrong_rows(around, NOW, UNICODE)
    summary = row.cells[1]
    assert summary.text.endswith("; live 1.2.0 is not affected")
    assert summary.brief.startswith("live 1.2.0 ok; ")
    (listed,) = alerts.alert_rows(around, NOW, UNICODE)
    assert listed.cells[3].brief.startswith("live 1.2.0 ok; ")
    _, affected = _about(snapshot, model="spread", version="1.2.0")
    assert alerts.wrong_rows(affected, NOW, UNICODE)[0].cells[1].brief == affected.alerts[0].summary


@pytest.mark.parametrize("live_labels", [{"version": "1.2.0"}, {}], ids=["version", "model alone"])
def test_a_live_version_with_an_alert_of_the_same_rule_is_not_called_unaffected(snapshot, live_labels):
    alert, around = _about(snapshot, model="spread", version="1.3.0")
    of_live = msgspec.structs.replace(alert, fingerprint="f" * 16, labels={"model": "spread", **live_labels})
    both = replace(around, alerts=(alert, of_live))
    for row in alerts.wrong_rows(both, NOW, UNICODE):
        assert "live" not in row.cells[1].text
        assert "live" not in row.cells[1].brief
    assert [texts(row)[4] for row in alerts.alert_rows(both, NOW, UNICODE)] == ["affected", "affected"]
    told = plain(alerts.detail_lines(alert, both, UNICODE))
    assert "spread 1.3.0 is in Staging; live 1.2.0 has an alert of the same rule." in told
    others = (
        msgspec.structs.replace(of_live, rule="gate_failed"),
        msgspec.structs.replace(of_live, state=AlertState.RESOLVED),
        msgspec.structs.replace(of_live, labels={"model": "anomaly"}),
        msgspec.structs.replace(of_live, labels={"model": "spread", "rollout": "ro-0001"}),
    )
    for other in others:
        rows = alerts.wrong_rows(replace(around, alerts=(alert, other)), NOW, UNICODE)
        (row,) = (row for row in rows if row.key == alert.fingerprint)
        assert row.cells[1].brief.startswith("live 1.2.0 ok; ")


@pytest.mark.parametrize(
    ("labels", "told", "key"),
    [
        ({"model": "spread", "version": "1.2.0"}, "spread 1.2.0 is live.", "R rolls the model back"),
        (
            {"model": "spread", "version": "1.3.0"},
            "spread 1.3.0 is in Staging; live 1.2.0 is not affected.",
            None,
        ),
        ({"model": "spread", "version": "1.1.0"}, "spread 1.1.0 is in Archived; live 1.2.0 is not affected.", None),
        ({"model": "spread", "version": "0.9.0"}, "spread 0.9.0 is not registered any more", None),
        ({"model": "liquidity_shock", "rollout": "ro-0001"}, "is not affected", None),
        ({"model": "downgrade", "rollout": "ro-0002"}, "is the candidate of ro-0002", "R aborts ro-0002"),
    ],
    ids=["live", "staging", "archived", "gone", "rolled back", "candidate"],
)
def test_an_alert_offers_what_suits_where_its_version_stands_now(snapshot, labels, told, key):
    alert, around = _about(snapshot, **labels)
    details = plain(alerts.detail_lines(alert, around, UNICODE))
    assert told in details
    assert (key in details) if key else ("R " not in details)
    (told_in_list,) = (texts(row)[1] for row in alerts.wrong_rows(around, NOW, UNICODE))
    assert ("is not affected" in told_in_list) is ("is live." not in told)
    (live,) = (texts(row)[4] for row in alerts.alert_rows(around, NOW, UNICODE))
    assert live == ("affected" if "is live." in told else "1.2.0 ok")


def test_a_queued_session_does_not_hide_the_running_one(snapshot):
    running = snapshot.session("s-0002")
    queued = msgspec.structs.replace(
        running,
        session_id="s-0003",
        observed=msgspec.structs.replace(running.observed, phase=SessionPhase.QUEUED, epoch=0),
    )
    assert replace(snapshot, sessions=(queued, *snapshot.sessions)).active_session() is running
    second = msgspec.structs.replace(queued, session_id="s-0004")
    assert replace(snapshot, sessions=(second, queued)).active_session() is queued, "the next in the queue"


def test_gauges_warn_before_the_engine_raises_an_alert(snapshot):
    cpu, memory, disk = resources.gauges(snapshot, AlertSettings())
    assert (cpu.alert_at, cpu.warn_at) == (0.8, pytest.approx(0.72))
    assert disk.value == "37%"
    assert memory.history == ()
    assert "network in" in resources.one_line(snapshot, AlertSettings()).text


def test_a_step_that_nobody_measured_is_a_gap(snapshot):
    at = NOW.timestamp()
    seen = replace(snapshot, resources={"resource.cpu_percent": ((at - 300, 10.0), (at - 295, 12.0), (at, 30.0))})
    points = resources.machine_series(seen)[0].points

    assert [value for _, value in points if value == value] == [11.0, 30.0]
    assert len(points) == 21
    assert resources.span_title(seen, NOW) == "The last ten minutes"
    assert resources.span_title(seen, NOW + timedelta(hours=1)) == "The ten minutes before 2026-03-02 03:04 UTC"


def test_the_gauge_of_a_cpu_that_our_own_training_uses_is_calm(snapshot):
    busy = {"resource.cpu_percent": ((NOW.timestamp(), 99.0),)}
    own = busy | {"process.trainer.cpu_percent": ((NOW.timestamp(), 99.0 * (os.cpu_count() or 1)),)}
    tones = [resources.gauges(replace(snapshot, resources=each), AlertSettings())[0].tone for each in (busy, own)]

    assert tones == ["bad", "accent"]


def test_a_finished_session_has_a_full_bar_and_limits_are_rounded_up(snapshot):
    session = snapshot.sessions[0]
    finished = msgspec.structs.replace(
        session, observed=msgspec.structs.replace(session.observed, phase=SessionPhase.FINISHED, epoch=63)
    )
    running = msgspec.structs.replace(session, observed=msgspec.structs.replace(session.observed, eta_seconds=130.0))

    assert sessions.progress(finished)[:2] == ("63 epochs", 1.0)
    assert sessions.progress(running)[2] == "at most 3m left"


def test_gauges_without_samples_are_dashes(snapshot, workspace):
    bare = SnapshotSource(workspace, clock=lambda: NOW + timedelta(days=2)).take()
    assert {gauge.value for gauge in resources.gauges(bare, AlertSettings())} == {"–"}
    assert resources.network(bare) == "–"
    assert resources.machine_series(bare)[0].points == ()


def test_changes_by_people_leave_out_the_engine(snapshot):
    changes = audit.change_lines(snapshot.audit, NOW)
    assert {line.spans[1][0] for line in changes} == {"mira "}
    assert len(changes) < len(audit.audit_rows(snapshot.audit, NOW))
    assert "version.promote " in {line.spans[2][0] for line in changes}
    assert "hash before" in plain(audit.detail_lines(snapshot.audit[0]))


def test_the_top_line_counts_firing_alerts(snapshot):
    status = status_of(snapshot, Circumstances(now=NOW, standing=WriteAccess(read_only=True, armed=False)))
    assert (status.n_critical, status.n_warning, status.armed, status.engine) == (1, 2, False, "none")
    assert status.clock == "03:04 UTC"


def test_only_a_promotion_to_production_is_confirmed_by_typing(workspace):
    registry = Registry(workspace)

    def commit(_reason: str) -> str:
        return ""

    typed = {
        name: plan_offer(plan, UNICODE, commit).typed
        for name, plan in {
            "to staging": registry.plan_promotion("anomaly", "1.3.0"),
            "to production": registry.plan_promotion("spread", "1.3.0"),
            "rollback": registry.plan_rollback("spread"),
            "archive": registry.plan_archive("spread", "1.0.0"),
        }.items()
    }
    assert typed == {"to staging": None, "to production": "1.3.0", "rollback": None, "archive": None}


def test_an_offer_shows_its_effects_and_how_to_undo_it(workspace):
    offer = plan_offer(Registry(workspace).plan_promotion("spread", "1.3.0"), UNICODE, lambda _reason: "")
    text = plain(offer.lines)
    for fact in ("Staging → Production", "Gates", "What will happen", "How to undo it"):
        assert fact in text


def test_a_refused_plan_offers_nothing(workspace):
    offer = plan_offer(Registry(workspace).plan_rollback("anomaly"), UNICODE, lambda _reason: "")
    assert offer.refusal


def test_a_session_without_an_engine_says_when_it_takes_effect(workspace, snapshot):
    def text(absence):
        context = OfferContext(workspace=workspace, actor=OPERATOR, glyphs=UNICODE, absence=absence)
        return plain(PAUSE.offer(context, snapshot.sessions[0]).lines)

    assert "No engine is running" in text("no engine is running")
    assert "The engine is silent; this takes effect when an engine is at work" in text("the engine is silent")
    assert "No engine is running" not in text(None)


def test_a_silent_engine_judges_nothing_trains_nothing_and_watches_for_no_harm(workspace, snapshot):
    at = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
    holder = LeaseHolder(user="mira", host="desk-4", pid=4711, mode="headless", acquired_at=at, silent_since=at)
    silent = replace(snapshot, engine=holder)
    absence = silent.absence
    assert absence == "the engine is silent"
    running = silent.active_session()
    assert sessions.title(running, UNICODE, absence=absence).endswith("○ engine silent")
    assert sessions.progress(running, absence=absence)[2] == "waiting: the engine is silent"
    rollout = next(each for each in silent.rollouts if each.is_active)
    assert rollouts.phase_cell(rollout, UNICODE, absence=absence).text == "○ not judged"
    told = plain(summary_lines(rollout, NOW, UNICODE, absence=absence))
    assert "unknown: the engine is silent, so nothing is judged" in told
    context = OfferContext(workspace=workspace, actor=OPERATOR, glyphs=UNICODE, absence=absence)
    asked = plain(Hold().offer(context, rollout).lines)
    assert "Nobody watches for harm: the engine is silent." in asked
    assert "still rolls it back" not in asked
    rows = alerts.wrong_rows(silent, NOW, UNICODE, idle=unattended(silent))
    (row,) = [row for row in rows if row.key == alerts.NO_ENGINE]
    assert row.cells[1].text.startswith("canary of downgrade 1.3.0 at 10% is not judged: engine silent; engine pid")
    assert row.cells[1].brief == "not judged: downgrade 1.3.0 at 10%"
    without = replace(silent, rollouts=())
    assert unattended(without).brief.startswith("silent; kill -CONT 4711 wakes it")
    assert attached_to(holder).startswith("Nothing is at work: engine pid 4711 on desk-4 holds the lease and is silent")


def test_a_session_whose_final_fit_is_left_has_not_ended(snapshot):
    running = snapshot.active_session()
    observed = msgspec.structs.replace(running.observed, phase=SessionPhase.STOPPING, stop_reason="converged")
    ending = msgspec.structs.replace(running, observed=observed)
    assert ending.is_finishing
    assert "only the final fit is left: converged" in plain(sessions.summary_lines(ending, UNICODE))
    assert "ended:" not in plain(sessions.summary_lines(ending, UNICODE))
    assert "only the final fit is left" in ending.refusal(DesiredSession.PAUSED)


def test_leaving_names_everything_that_needs_the_engine(snapshot):
    told = plain(leave_offer(lambda: snapshot, lambda: None, serves_at="http://127.0.0.1:8470").lines)
    assert "s-0002 ends its epoch first, and a checkpoint stays." in told
    assert "ro-0002 keeps downgrade 1.3.0 at 10%: nobody judges it or rolls it back" in told
    assert "Predictions are no longer served at http://127.0.0.1:8470." in told
    assert set(needs_of(snapshot)) == {"s-0002", "ro-0002"}
    paused = _session(snapshot, SessionPhase.PAUSED, DesiredSession.PAUSED)
    assert set(needs_of(replace(snapshot, sessions=(paused,), rollouts=()))) == set()


def test_leaving_asks_again_if_something_needs_the_engine_that_the_dialog_did_not_show(snapshot):
    states = iter(
        [replace(snapshot, rollouts=()), snapshot, replace(snapshot, sessions=()), replace(snapshot, sessions=())]
    )
    stopped = []
    offer = leave_offer(lambda: next(states), lambda: stopped.append(True))
    with pytest.raises(
        AskAgainError, match="Since the question was asked, this changed: ro-0002 keeps downgrade"
    ) as asked:
        offer.commit("")
    assert stopped == []
    again = asked.value.look()
    assert [line.text for line in again.lines[:3]] == [
        "Since the question was asked, this changed:",
        "ro-0002 keeps downgrade 1.3.0 at 10%: nobody judges it or rolls it back until another engine runs.",
        "s-0002 no longer needs the engine.",
    ]
    again.commit("")
    assert stopped == [True]


def test_leaving_goes_on_if_less_needs_the_engine_than_the_dialog_showed(snapshot):
    stopped = []
    states = iter([snapshot, replace(snapshot, rollouts=())])
    leave_offer(lambda: next(states), lambda: stopped.append(True)).commit("")
    assert stopped == [True]


def test_the_top_line_says_where_the_engine_is_and_counts_acknowledged_alerts(snapshot):
    around = Circumstances(now=NOW, standing=WriteAccess())
    for mode, pid, engine, told in (
        ("embedded", os.getpid(), "here", None),
        ("embedded", 4711, "console", 4711),
        ("headless", 4711, "headless", 4711),
    ):
        holder = LeaseHolder(user="mira", host=HOST, pid=pid, mode=mode, acquired_at=NOW)
        status = status_of(replace(snapshot, engine=holder), around)
        assert (status.engine, status.pid) == (engine, told)
    n_acknowledged = sum(alert.state is AlertState.ACKNOWLEDGED for alert in snapshot.alerts)
    assert n_acknowledged == status.n_acknowledged > 0


def _session(snapshot, phase, desired=DesiredSession.RUNNING, **observed):
    session = snapshot.session("s-0002")
    seen = msgspec.structs.replace(session.observed, phase=phase, **{"checkpoint": "checkpoints/41", **observed})
    return msgspec.structs.replace(session, desired=desired, observed=seen)


QUEUED, RUNNING, STOPPING = SessionPhase.QUEUED, SessionPhase.RUNNING, SessionPhase.STOPPING
FRESH = {"epoch": 0, "checkpoint": None}
_STANDINGS = (TuningStanding(model="spread", n_trials=22, n_planned=61),)
SEARCHING = {"tuning": TuningProgress(standings=_STANDINGS)}
SEARCHED = {"tuning": TuningProgress(standings=_STANDINGS, is_done=True)}
STATES = [
    # phase, desired, more of what was observed; what H and S say: a refusal, or the title and the effect of the dialog
    (
        QUEUED,
        "running",
        FRESH,
        "Pause|leaves the queue and waits before its first epoch",
        "Stop|before its first epoch",
    ),
    (
        QUEUED,
        "running",
        {},
        "Pause|leaves the queue and waits at its checkpoint",
        "Stop|at its checkpoint, which stays",
    ),
    (RUNNING, "running", {}, "Pause|The current epoch ends first", "Stop|The current epoch ends first"),
    (STOPPING, "paused", {}, "Resume|it trains on after its epoch", "Stop|The current epoch ends first"),
    (STOPPING, "stopped", {}, "Resume|it trains on after its epoch", "Start|"),
    (STOPPING, "running", {"stop_reason": "converged"}, "!it is finishing (converged)", "!it is finishing (converged)"),
    (SessionPhase.PAUSED, "paused", {}, "Resume|continues from its last checkpoint", "Stop|at its checkpoint"),
    (SessionPhase.PAUSED, "paused", FRESH, "Resume|begins with its first epoch", "Stop|before its first epoch"),
    (SessionPhase.STOPPED, "stopped", {}, "Resume|continues from its last checkpoint", "Start|"),
    (
        SessionPhase.FAILED,
        "running",
        FRESH | SEARCHING,
        "Resume|continues its search of parameters after trial 22 of 61",
        "Start|",
    ),
    (
        SessionPhase.PAUSED,
        "paused",
        FRESH | SEARCHED,
        "Resume|begins with its first epoch; its search of parameters is done",
        "Stop|before its first epoch",
    ),
    (RUNNING, "running", FRESH | SEARCHING, "Pause|The trials under way end first", "Stop|Its trials stay"),
    (QUEUED, "running", FRESH | SEARCHING, "Pause|waits with its trials, which stay", "Stop|with its trials"),
    (SessionPhase.FAILED, "running", {}, "Resume|continues from its last checkpoint", "Start|"),
    (SessionPhase.FINISHED, "running", {"stop_reason": "converged"}, "!has finished; S starts", "Start|"),
]


@pytest.mark.parametrize(("phase", "desired", "more", "on_h", "on_s"), STATES, ids=lambda value: str(value)[:12])
def test_the_keys_of_a_session_promise_what_is_true_of_its_state(snapshot, phase, desired, more, on_h, on_s):
    session = _session(snapshot, phase, DesiredSession(desired), **more)
    context = OfferContext(workspace=Workspace.open(snapshot.workspace), actor=OPERATOR, glyphs=ASCII, absence=None)
    app = SimpleNamespace(refusal=None)
    for verb, expected in ((PauseOrResume(), on_h), (StartOrStop(), on_s)):
        refused = verb.refused(app, session)
        if expected.startswith("!"):
            assert expected[1:] in refused
            continue
        assert refused is None
        offer = verb.offer(context, session)
        confirm, effect = expected.split("|")
        assert offer.confirm == confirm
        assert effect in plain(offer.lines).replace("\n", " ")


def test_a_search_that_failed_is_where_it_was(snapshot):
    session = _session(snapshot, SessionPhase.FAILED, n_epochs=3, **FRESH | SEARCHING)
    assert sessions.progress(session)[:2] == ("trial 22 of 61", 22 / 61)


@pytest.fixture
def agents(tmp_path):
    """A session with three agents at work: one has an epoch, one has none, one was paused by itself."""
    workspace = Workspace.create(tmp_path / "agents", settings_text="")
    every, models = Sessions(workspace), {name: ModelSettings() for name in ("spread", "downgrade", "anomaly")}
    parent = every.start(TrainingSettings(models=models, agents=AgentsSettings(by="model")), name="all", actor=OPERATOR)
    first, _, third = parent.children
    begun = {"phase": RUNNING, "epoch": 33, "checkpoint": "checkpoints/33"}
    every.observe(first, "session.test", actor=OPERATOR, **begun)
    every.request(third, DesiredSession.PAUSED, actor=OPERATOR)
    every.observe(third, "session.test", actor=OPERATOR, phase=SessionPhase.PAUSED)
    every.observe(parent.session_id, "session.test", actor=OPERATOR, phase=RUNNING)
    return workspace, parent.session_id


def test_the_questions_about_a_parent_count_its_agents(agents):
    workspace, parent = agents
    every = Sessions(workspace)
    context = OfferContext(workspace=workspace, actor=OPERATOR, glyphs=ASCII, absence=None)

    def asked(verb):
        return " ".join(plain(verb.offer(context, every.get(parent)).lines).split())

    assert (
        "It concerns 2 of 3 agents: the epochs under way end first; then they wait, and their checkpoints stay."
        in asked(PauseOrResume())
    )
    assert "It concerns 3 agents: the epochs under way end first; then they end" in asked(StartOrStop())
    every.request(parent, DesiredSession.PAUSED, actor=OPERATOR)
    for each in every.get(parent).children[:2]:
        every.observe(each, "session.test", actor=OPERATOR, phase=SessionPhase.PAUSED)
    every.observe(parent, "session.test", actor=OPERATOR, phase=SessionPhase.PAUSED)
    resume = asked(PauseOrResume())
    assert "It concerns 2 of 3 agents: 1 goes on where it was, 1 begins with its first epoch." in resume, (
        "that which was paused by itself stays at rest"
    )
    assert "The session begins with its first epoch" not in resume


def test_the_pane_of_a_parent_counts_its_failed_agents(agents):
    workspace, parent = agents
    every = Sessions(workspace)
    child = every.get(parent).children[1]
    every.observe(child, "session.fail", actor=OPERATOR, phase=SessionPhase.FAILED, gave_up_at=9)
    told = sessions.summary_lines(every.get(parent), UNICODE, agents=every.children(every.get(parent)))
    assert plain(told).startswith("3 agents  1 failed  best")


def test_a_new_session_is_offered_on_the_domain_of_the_newest(tmp_path):
    settings = "dataset_size: 1500\nmodels: {spread: {}}\ndomain_settings: {esg_base: -2.0}\n"
    workspace = Workspace.create(tmp_path / "w", settings_text=settings)
    context = OfferContext(workspace=workspace, actor=OPERATOR, glyphs=ASCII, absence=None)
    before = plain(START.offer(context, None).lines)
    etrm = TrainingSettings(domain="etrm", dataset_size=150)
    Sessions(workspace).start(etrm, name="desk", actor=OPERATOR)

    after = plain(START.offer(context, None).lines)

    assert re.search(r"domain +bonds", before)
    assert re.search(r"domain +etrm", after)
    assert re.search(r"dataset_size +1500 deals", after)
    assert "Left out, as set for bonds: models, domain_settings." in after
    assert "Left out" not in before


def test_a_session_that_starts_beside_another_says_behind_which_it_waits(snapshot):
    context = OfferContext(workspace=Workspace.open(snapshot.workspace), actor=OPERATOR, glyphs=ASCII, absence=None)
    assert "It waits in the queue behind s-0002." in plain(START.offer(context, None).lines)


def test_a_move_that_leaves_a_model_without_a_live_version_is_confirmed_by_typing_it(snapshot):
    registry = Registry(Workspace.open(snapshot.workspace))
    for plan, typed in (
        (registry.plan_archive("spread", "1.2.0"), "1.2.0"),
        (registry.plan_archive("spread", "1.1.0"), None),
        (registry.plan_rollback("spread"), None),
        (registry.plan_promotion("spread", "1.3.0"), "1.3.0"),
    ):
        assert plan_offer(plan, ASCII, lambda _: "").typed == typed


def _rollout(snapshot, phase, desired=DesiredRollout.RUNNING, *, candidate="1.3.0", **more):
    rollout = snapshot.rollout("ro-0002")
    seen = msgspec.structs.replace(rollout.observed, phase=phase)
    return msgspec.structs.replace(rollout, observed=seen, desired=desired, candidate=candidate, **more)


ENDED = "has ended"
ROLLOUT_STATES = [
    # phase, desired; what the keys P, H, A, R, U say: a refusal after "!", or what the dialog says
    (
        RolloutPhase.PENDING,
        DesiredRollout.RUNNING,
        (
            "!is not open yet",
            "Its first step does not open",
            "answers all requests",
            "answers all requests",
            "!has not gone live",
        ),
    ),
    (
        RolloutPhase.RUNNING,
        DesiredRollout.RUNNING,
        ("step 3 of 3", "It stays at its share", "answers all requests", "answers all requests", "!has not gone live"),
    ),
    (
        RolloutPhase.PAUSED,
        DesiredRollout.PAUSED,
        (
            "step 3 of 3",
            "continues from where it was held",
            "answers all requests",
            "answers all",
            "!has not gone live",
        ),
    ),
    (
        RolloutPhase.INCONCLUSIVE,
        DesiredRollout.RUNNING,
        ("step 3 of 3", "continues with a new deadline", "answers all requests", "answers all", "!has not gone live"),
    ),
    (
        RolloutPhase.RUNNING,
        DesiredRollout.PROMOTE_NOW,
        (
            "!has already asked",
            "It no longer goes live as",
            "answers all requests",
            "answers all",
            "!has not gone live",
        ),
    ),
    (
        RolloutPhase.RUNNING,
        DesiredRollout.ABORTED,
        ("!being aborted", "!being aborted", "!being aborted", "!being aborted", "!has not gone live"),
    ),
    (
        RolloutPhase.ABORTED,
        DesiredRollout.RUNNING,
        (f"!{ENDED}", f"!{ENDED}", f"!{ENDED}", f"!{ENDED}", "!has not gone live"),
    ),
    (
        RolloutPhase.PROMOTED,
        DesiredRollout.RUNNING,
        (f"!{ENDED}", f"!{ENDED}", f"!{ENDED}", "!live 1.2.0", "!not the last"),
    ),
]


@pytest.mark.parametrize(("phase", "desired", "said"), ROLLOUT_STATES, ids=lambda value: str(value)[:12])
def test_the_keys_of_a_rollout_promise_what_is_true_of_its_state(snapshot, phase, desired, said):
    rollout = _rollout(snapshot, phase, desired)
    around = replace(snapshot, rollouts=(rollout,))
    app = SimpleNamespace(refusal=None, newest=around)
    context = OfferContext(workspace=Workspace.open(snapshot.workspace), actor=OPERATOR, glyphs=ASCII, absence=None)
    for verb, expected in zip((ADVANCE, HOLD_OR_RESUME, ABORT, RollBackRollout(), UndoPromotion()), said, strict=True):
        told = verb.refused(app, rollout)
        if told is None:
            try:
                told = plain(verb.offer(context, rollout).lines).replace("\n", " ")
                assert not expected.startswith("!"), verb
            except RefusedError as error:
                told = str(error)
        else:
            assert expected.startswith("!"), told
        assert expected.removeprefix("!") in told


def test_a_diverged_loss_is_named_in_the_list_of_sessions_and_in_the_epochs(snapshot):
    running = snapshot.session("s-0002")
    ill = msgspec.structs.replace(
        running, observed=msgspec.structs.replace(running.observed, diverged=("spread.loss",), failure=None)
    )
    assert texts(sessions.session_rows([ill], NOW, UNICODE)[0])[4] == "diverged"
    assert "diverged: spread.loss" in [line.text for line in sessions.summary_lines(ill, UNICODE)]
    history = {
        1: {"spread.attainment": 0.5, "spread.loss": 2.0, "score": 0.5},
        2: {"spread.attainment": 0.5, "score": 0.5},
    }
    newest, first = epochs.epoch_rows(history, ["spread", "alert"], diverged=ill.observed.diverged)
    assert (texts(newest)[4:], texts(first)[4:]) == (["diverged", "–"], ["50.0%", "–"])
    by_model = {row.key: texts(row) for row in epochs.model_metric_rows(ill, {}, lambda _: "")}
    assert by_model["spread"][2] == "diverged"


def test_the_day_on_which_the_disk_is_full_has_its_interval(snapshot):
    days = {"disk.days_until_full": 12.3, "disk.days_until_full_low": 8.76, "disk.days_until_full_high": 20.0}
    seen = replace(snapshot, resources={series: ((1.0, value),) for series, value in days.items()})
    assert resources.outlook(seen) == "disk full in 12 days (95 %: 8.8 to 20)"
    assert [row.cells[:2] for row in resources.machine_rows(seen, AlertSettings())] == [
        ("disk full", Cell("12.3 days", value=12.3)),
        ("  earliest", Cell("8.8 days", value=8.76)),
        ("  latest", Cell("20.0 days", value=20.0)),
    ]
    assert resources.outlook(replace(snapshot, resources={})) == ""
