"""From a request over HTTP to the alert: what servers answer is counted by minute, watched, dated and named."""

import http.client
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from core.actor import Actor
from core.alerts import Alerts
from core.domains.bonds.data import PanelSettings, generate
from core.domains.catalogue import load_model
from core.engine.context import EngineContext
from core.engine.monitoring_alerts import DRIFT
from core.engine.workers.monitor import Monitor
from core.models.outcomes import outcomes_of
from core.monitoring import profiling
from core.monitoring.data_profile import PROFILE_NAME
from core.monitoring.monitoring_store import MonitoringStore
from core.monitoring.verdicts import DriftVerdict
from core.serving.scoring.warming import warm_scorer
from core.serving.server import Server
from core.settings import settings_in_force
from core.settings.current import CurrentSettings
from core.telemetry import TelemetryWriter
from core.telemetry.live import LiveReader
from core.training.session_recorder import SessionRecorder
from core.training.trainer import Trainer
from tests.clocks import HandClock
from tests.waiting import PATIENCE_SECONDS, until

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EVER = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
ROWS_A_MINUTE = 60
BEFORE, AFTER = 90, 15
"""Minutes before and after the known request at which the maturities move."""
MOVED = "maturity_years"
SLICE = "sector", "banks"
"""One of 19 levels, an eighth of the rows."""


@pytest.fixture
def clock():
    return HandClock(START)


@pytest.fixture(scope="session")
def panel():
    return generate(PanelSettings(n_rows=6_000, seed=11)).bonds


@pytest.fixture(params=[False])
def has_times(request):
    """Whether the rows of the panel have a time of their own, so that their hours are known."""
    return request.param


@pytest.fixture
def live(workspace, artifacts, panel, tmp_path, put_live, has_times):
    """The spread model, live, with a profile of the panel."""
    folder = tmp_path / "spread"
    shutil.copytree(artifacts / "spread", folder)
    names = [field.name for field in warm_scorer(folder).signature.fields]
    minutes = np.random.default_rng(4).integers(0, 28 * 1440, len(panel))
    timed = panel.assign(answered_at=pd.Timestamp("2026-02-02") + pd.to_timedelta(minutes, "min"))
    time = "answered_at" if has_times else None
    columns = profiling.profile_columns(timed, profiling.kinds_of(panel[names]), time=time)
    held_out = outcomes_of(load_model(folder), panel)
    profile = profiling.profile_of(
        columns, features=tuple(names), target=None, group=None, held_out=held_out, time=time
    )
    (folder / PROFILE_NAME).write_bytes(profile.to_bytes())
    return put_live(workspace, "spread", folder)


@pytest.fixture
def rows(panel, live, workspace):
    """Draw rows of the panel as a client sends them; later ones have longer maturities."""
    names = [field.name for field in warm_scorer(workspace.artifacts_dir / "spread" / live.version).signature.fields]
    records = json.loads(panel[names].to_json(orient="records", double_precision=15, date_format="iso"))
    rng = np.random.default_rng(3)

    def rows(*, times=1.0, where=None):
        own = [k for k, record in enumerate(records) if where is None or record[where[0]] == where[1]]
        n_own = ROWS_A_MINUTE if where is None else ROWS_A_MINUTE // 2
        drawn = [(k, times) for k in rng.choice(own, n_own)]
        drawn += [(k, 1.0) for k in rng.integers(len(records), size=ROWS_A_MINUTE - n_own)]
        return [as_sent(records[k], longer) for k, longer in drawn]

    def as_sent(record, longer):
        sent = {name: str(value)[:10] if name.endswith("_date") else value for name, value in record.items()}
        return sent | {MOVED: min(sent[MOVED] * longer, 60.0)}

    return rows


@contextmanager
def served(workspace, clock) -> Iterator[tuple[Server, http.client.HTTPConnection]]:
    """Serve in this process, by the minutes of a clock that a test moves."""
    server = Server(workspace, "127.0.0.1", 0, clock=clock)
    server.start()
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE_SECONDS)
    try:
        until(lambda: server.table.is_complete, "every version being loaded")
        yield server, connection
    finally:
        connection.close()
        server.stop()


@pytest.fixture
def monitor(workspace, clock):
    """The engine's monitor on the same clock."""
    actor, alerts, settings = Actor.engine(), Alerts(workspace, clock=clock), settings_in_force(workspace.root)
    with TelemetryWriter(workspace.telemetry_file, retention=settings.telemetry) as telemetry:
        trainer = Trainer(workspace, SessionRecorder(workspace, telemetry, alerts, actor=actor))
        monitor = Monitor(
            EngineContext(
                workspace=workspace,
                settings=settings,
                current=CurrentSettings(workspace.root, settings),
                telemetry=telemetry,
                alerts=alerts,
                trainer=trainer,
                actor=actor,
                clock=clock,
            )
        )
        yield monitor
        monitor.end(after_failure=False)


def ask(connection, rows):
    """Send rows over HTTP, and return when they were answered."""
    body = json.dumps({"rows": rows})
    connection.request("POST", "/api/v1/predict/spread", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    assert (answer.status, answer.read()[:0]) == (200, b"")


def counted(workspace):
    return sum(minute.n for minute in LiveReader(workspace.live_file).between("spread", "1.0.0", *EVER))


def test_a_shift_of_the_traffic_is_found_dated_to_the_minute_and_named(workspace, clock, rows, monitor):
    with served(workspace, clock) as (_, connection):
        for _ in range(BEFORE):
            ask(connection, rows())
            clock.pass_by(60)
        until(lambda: counted(workspace) == BEFORE * ROWS_A_MINUTE, "the counts before the shift")
        monitor.step()
        before = MonitoringStore(workspace).get("spread").live
        shift_at = clock().replace(second=0)
        for _ in range(AFTER):
            ask(connection, rows(times=2.5))
            clock.pass_by(60)
        until(lambda: counted(workspace) == (BEFORE + AFTER) * ROWS_A_MINUTE, "the counts after the shift")
        until(lambda: monitor.step() and MonitoringStore(workspace).get("spread").live.traffic, "the stored requests")
    after = MonitoringStore(workspace).get("spread").live

    assert before.drift.verdict in (DriftVerdict.STABLE, DriftVerdict.INCONCLUSIVE)
    assert after.drift.verdict is DriftVerdict.ALARM
    found = {column.name: column for column in after.drift.columns}[MOVED]
    assert found.verdict is DriftVerdict.ALARM
    assert found.changed_at == shift_at
    assert found.changed_from <= shift_at <= found.changed_until
    (alert,) = [alert for alert in Alerts(workspace).open() if alert.rule == DRIFT]
    assert alert.labels == {"model": "spread"}
    assert f"since {found.changed_at:%Y-%m-%d %H:%M} UTC" in alert.summary
    assert after.health.state == "degraded"
    assert any(reason.source == "drift" and MOVED in reason.text for reason in after.health.reasons)


@pytest.mark.parametrize("has_times", [True], indirect=True)
def test_a_flood_of_long_bonds_of_one_sector_is_dated_to_the_minute_and_the_sector_named(
    workspace, clock, rows, monitor
):
    with served(workspace, clock) as (_, connection):
        for _ in range(BEFORE):
            ask(connection, rows())
            clock.pass_by(60)
        until(lambda: counted(workspace) == BEFORE * ROWS_A_MINUTE, "the counts before the shift")
        monitor.step()
        shift_at = clock().replace(second=0)  # the minute of the first request that differs
        for _ in range(AFTER):
            ask(connection, rows(times=4.0, where=SLICE))
            clock.pass_by(60)
        until(lambda: counted(workspace) == (BEFORE + AFTER) * ROWS_A_MINUTE, "the counts after the shift")
        until(lambda: monitor.step() and MonitoringStore(workspace).get("spread").live.traffic, "the stored requests")
    after = MonitoringStore(workspace).get("spread").live

    columns = {column.name: column for column in after.drift.columns}
    assert (columns["sector"].verdict, columns[MOVED].verdict) == (DriftVerdict.ALARM, DriftVerdict.ALARM)
    assert columns["sector"].changed_at == columns[MOVED].changed_at == shift_at
    assert "banks from" in columns["sector"].reason
    assert columns[MOVED].slice == "sector = banks"
    [gained] = [note for note in after.drift.notes if "went from" in note]
    assert gained.startswith("rows where sector = banks went from 1")
    assert float(gained.rpartition(" to ")[2].rstrip("%")) == pytest.approx(56, abs=5)  # of the rows since the shift
    assert after.drift.prediction_move.startswith("since then the predictions differ by -")
    (alert,) = [alert for alert in Alerts(workspace).open() if alert.rule == DRIFT]
    assert f"since {shift_at:%Y-%m-%d %H:%M} UTC" in alert.summary
    assert "sector: moved, banks from" in alert.summary
