"""From a request over HTTP to the alert: what servers answer is counted by minute, watched, dated and named."""

import http.client
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import numpy as np
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


@pytest.fixture
def clock():
    return HandClock(START)


@pytest.fixture(scope="session")
def panel():
    return generate(PanelSettings(n_rows=6_000, seed=11)).bonds


@pytest.fixture
def live(workspace, artifacts, panel, tmp_path, put_live):
    """The spread model, live, with a profile of the panel."""
    folder = tmp_path / "spread"
    shutil.copytree(artifacts / "spread", folder)
    names = [field.name for field in warm_scorer(folder).signature.fields]
    columns = profiling.profile_columns(panel, profiling.kinds_of(panel[names]))
    held_out = outcomes_of(load_model(folder), panel)
    profile = profiling.profile_of(columns, features=tuple(names), target=None, group=None, held_out=held_out)
    (folder / PROFILE_NAME).write_bytes(profile.to_bytes())
    return put_live(workspace, "spread", folder)


@pytest.fixture
def rows(panel, live, workspace):
    """Draw rows of the panel as a client sends them; later ones have longer maturities."""
    names = [field.name for field in warm_scorer(workspace.artifacts_dir / "spread" / live.version).signature.fields]
    records = json.loads(panel[names].to_json(orient="records", double_precision=15, date_format="iso"))
    rng = np.random.default_rng(3)

    def rows(*, moved=False):
        drawn = [dict(records[k]) for k in rng.integers(len(records), size=ROWS_A_MINUTE)]
        for row in drawn:
            row.update({name: str(value)[:10] for name, value in row.items() if name.endswith("_date")})
            row[MOVED] = min(row[MOVED] * 2.5, 60.0) if moved else row[MOVED]
        return drawn

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
            ask(connection, rows(moved=True))
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
