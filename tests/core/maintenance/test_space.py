from datetime import timedelta

import pytest

from core.maintenance.space import measure, series_of, sizes
from core.settings import Settings
from core.settings.retention import RetentionSettings
from core.telemetry import TelemetryWriter
from tests.clocks import HandClock


def test_every_file_belongs_to_one_store(workspace):
    for name in ("reports/s-0001/epochs/a", "artifacts/spread/1.0.0/model", "artifacts/.checkpoints/s-0001/x", "own"):
        path = workspace.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 10_000)
    found = {store.store: store for store in sizes(workspace)}
    assert {name: store.n_files for name, store in found.items() if store.n_bytes >= 10_000} == {
        "reports": 1,
        "artifacts": 1,
        "checkpoints": 1,
        "other": found["other"].n_files,
    }
    n_files = sum(1 for path in workspace.root.rglob("*") if path.is_file())
    assert sum(store.n_files for store in found.values()) == n_files


def test_growth_is_what_a_store_gained_since_it_was_first_measured(workspace):
    clock = HandClock()
    with TelemetryWriter(workspace.telemetry_file, clock=clock) as telemetry:
        telemetry.add(series_of("reports"), clock(), 0.0)
        telemetry.flush()
        clock.now += timedelta(hours=12)
        (workspace.reports_dir / "big").write_bytes(b"x" * 1_000_000)
        telemetry.flush()  # rolls the first minute up
        found = {store.store: store for store in measure(workspace, Settings(), clock=clock).stores}
    assert found["reports"].bytes_per_day == pytest.approx(2_000_000, rel=0.01)
    assert found["logs"].bytes_per_day is None
    assert found["past"].rule == "24 h or 256 MiB"
    assert found["live"].rule == "minutes 14 d, hours 400 d"
    assert found["features"].rule == "30 d or 1,000,000 rows"


def test_the_limit_of_a_store_names_the_rules_that_are_set(workspace):
    def rules(**retention):
        settings = Settings(retention=RetentionSettings(**retention))
        return {store.store: store.rule for store in measure(workspace, settings).stores}

    none = rules()
    assert (none["reports"], none["artifacts"], none["state"]) == ("", "", "")
    some = rules(runs=50, versions=True, epochs=100_000, report_days=30.0, stress_tests=7, rollouts=9)
    assert some["reports"] == "retention.report_days 30, retention.stress_tests 7"
    assert some["artifacts"] == "retention.versions"
    assert some["state"] == "retention.runs 50, retention.versions, retention.rollouts 9"
    assert some["telemetry"] == f"{none['telemetry']}, retention.runs 50, retention.epochs 100,000"
    assert some["logs"] == none["logs"] == "5 files of 100 MB a log"


def test_a_young_workspace_has_no_forecast(workspace):
    space = measure(workspace, Settings())
    assert space.forecast is None
    assert space.n_bytes == sum(store.n_bytes for store in space.stores)
