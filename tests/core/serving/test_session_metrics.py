"""Training on /metrics: progress, attainment, quality and the criteria of the end of each session at work."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from core.actor import Actor
from core.clock import utc_now
from core.metrics.machine_metrics import MOST_AGE_SECONDS, MachineMetrics
from core.metrics.session_metrics import MOST_NAMES, MOST_SESSIONS, SessionMetrics, end_epochs
from core.quality.gate import judge
from core.settings import TrainingSettings
from core.telemetry import TelemetryWriter
from core.training.criteria import criteria
from core.training.scores import EpochScore, EpochScores
from core.training.session import SessionPhase
from core.training.sessions import Sessions
from core.view.source import SnapshotSource

ODD = 'a "model" with\\everything'
SETTINGS = TrainingSettings(patience=4, max_epochs=200)
HISTORY = EpochScores([EpochScore(0.8, 1.0), EpochScore(0.9, 1.0), EpochScore(0.9004, 1.0)])

Samples = Mapping[str, Mapping[tuple[str, ...], float]]


@pytest.fixture
def at_work(workspace, ana):
    """Start a session, and complete its third epoch."""
    sessions = Sessions(workspace)

    def start(**fields):
        session = sessions.start(SETTINGS, name="s", actor=ana)
        observed = {
            "phase": SessionPhase.RUNNING,
            "epoch": 3,
            "n_epochs": 200,
            "score": 0.9004,
            "best_score": 0.9004,
            "best_epoch": 3,
            "epoch_seconds": 0.8,
            "trained_seconds": 2.5,
            "eta_seconds": 157.6,
            "last_progress_at": utc_now(),
            "quality_score": 0.97,
            "metrics": {"spread.attainment": 0.91, f"{ODD}.attainment": 0.5, "spread.loss": 3.0},
            "gates": (judge("coverage", 99.0, ">=", 90.0), judge("outliers", 9.0, "<=", 1.0)),
            "n_rejected_epochs": 1,
            "criteria": criteria(HISTORY, SETTINGS),
        }
        sessions.observe(session.session_id, "epoch.complete", actor=Actor.engine(), **observed | fields)
        return session.session_id

    return start


def samples_of(workspace, kind=SessionMetrics, **options) -> Samples:
    registry = CollectorRegistry()
    source = SnapshotSource(workspace, looks_at_epochs=False)
    registry.register(kind(source.take, **options))
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            labels = tuple(value for name, value in sorted(sample.labels.items()) if name != "session")
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_progress_attainment_and_quality_of_a_session_are_there(workspace, at_work):
    at_work()
    found = samples_of(workspace)
    one = {name: values[()] for name, values in found.items() if () in values}
    assert one["bondx_session_epoch"] == 3
    assert one["bondx_session_epoch_limit"] == 200
    assert one["bondx_session_epoch_seconds"] == 0.8
    assert one["bondx_session_trained_seconds_total"] == 2.5
    assert one["bondx_session_eta_seconds"] == 157.6
    assert one["bondx_session_best_epoch"] == 3
    assert one["bondx_session_quality_ratio"] == 0.97
    assert one["bondx_session_skipped_epochs_total"] == 1
    assert one["bondx_session_failed_attempts_total"] == 0
    assert one["bondx_session_progress_timestamp_seconds"] == pytest.approx(utc_now().timestamp(), abs=3600)
    assert found["bondx_session_attainment_ratio"] == {("spread",): 0.91, (ODD,): 0.5}
    assert found["bondx_session_gates"] == {("fail",): 1, ("pass",): 1}
    assert found["bondx_session_gate_failed"] == {("outliers",): 1}
    assert found["bondx_session_phase"] == {("running",): 1}


def test_the_four_criteria_and_what_could_end_the_session_first_are_there(workspace, at_work):
    at_work()
    found = samples_of(workspace)
    names = ("improvement", "patience", "quality", "plateau")
    assert set(found["bondx_session_criterion_met"]) == {(name,) for name in names}
    assert found["bondx_session_criterion_value"][("patience",)] == 1
    assert found["bondx_session_criterion_limit"][("plateau",)] == 8
    assert found["bondx_session_criterion_met"] == {
        ("improvement",): 1,
        ("patience",): 0,
        ("quality",): 1,
        ("plateau",): 0,
    }
    assert found["bondx_session_criterion_epoch"][("patience",)] == 6
    assert found["bondx_session_end_epoch"] == {("converged",): 6, ("plateau",): 10, ("epoch_limit",): 200}
    assert found["bondx_session_ends_first"] == {("converged",): 1}


def test_a_session_near_its_limit_ends_by_it_first():
    ends = end_epochs(criteria(HISTORY, SETTINGS), 5)
    assert min(ends, key=ends.__getitem__) == "epoch_limit"
    assert end_epochs((), 0) == {}


def test_a_session_at_rest_has_no_series_but_is_counted(workspace, at_work):
    at_work(phase=SessionPhase.FINISHED)
    found = samples_of(workspace)
    assert found["bondx_sessions"] == {("finished",): 1}
    assert not any(name.startswith("bondx_session_") for name in found)


def test_the_number_of_series_is_bounded_and_what_is_left_out_is_counted(workspace, at_work):
    for _ in range(MOST_SESSIONS + 2):
        newest = at_work(metrics={f"m{number}.attainment": 0.5 for number in range(MOST_NAMES + 5)})
    registry = CollectorRegistry()
    registry.register(SessionMetrics(SnapshotSource(workspace, looks_at_epochs=False).take))
    text = generate_latest(registry).decode()
    assert "bondx_sessions_left_out 2.0" in text
    assert text.count("\nbondx_session_epoch{") == MOST_SESSIONS
    assert f'bondx_session_epoch{{session="{newest}"}} 3.0' in text
    assert text.count("\nbondx_session_attainment_ratio{") == MOST_SESSIONS * MOST_NAMES


def test_the_machine_is_measured_and_an_engine_that_sampled_long_ago_says_nothing(workspace):
    now = utc_now()
    with TelemetryWriter(workspace.telemetry_file) as telemetry:
        telemetry.add("process.engine.cpu_percent", now, 150.0)
        telemetry.add("process.engine.rss_bytes", now, 84e6)
        telemetry.add("process.trainer.rss_bytes", now - timedelta(seconds=2 * MOST_AGE_SECONDS), 84e6)
    found = samples_of(workspace, MachineMetrics)
    assert found["bondx_engine_cpu_ratio"] == {("engine",): 1.5}
    assert found["bondx_engine_resident_memory_bytes"] == {("engine",): 84e6}
    assert found["bondx_machine_cpu_seconds_total"][("user",)] > 0
    for part in ("memory", "disk"):
        total = found[f"bondx_machine_{part}_total_bytes"][()]
        assert total > 0
    assert 0 < found["bondx_machine_memory_used_bytes"][()] < found["bondx_machine_memory_total_bytes"][()]
    assert found["bondx_machine_network_received_bytes_total"][()] >= 0
