"""Whether a workspace is alive and ready: an engine, its workers, the stores, and what is tried again."""

import json
from datetime import timedelta

import msgspec
import pytest

from console.cli.main import main
from core.actor import Actor, Origin
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.outbox import ChannelTarget, Outbox
from core.clock import utc_now
from core.engine import Engine
from core.files import write_file
from core.maintenance.system_health import HEALTH_REPORT, WorkerActivity, read_health
from core.maintenance.workspace_health import STUCK_AFTER, examine_health
from core.state import Lease
from tests.waiting import until

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)


@pytest.fixture
def engine(workspace):
    found = Engine(workspace, mode="headless", actor=ANA)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def rewrite(workspace, engine):
    """Return a function that lets the report say something else about a worker, and looks at once.

    The engine has reported, and ended: one that works on could write over what a test has changed. Its lease is held.
    """

    def of_all_workers():
        """Some begin after the first report."""
        if not examine_health(workspace).is_ready:
            return None
        report = read_health(workspace)
        return report if {"monitor", "sampler", "trainer"} <= report.workers.keys() else None

    report = until(of_all_workers, "a report of every worker of an engine that is ready")
    engine.stop()

    def change(name="monitor", **changes):
        workers = {**report.workers, name: msgspec.structs.replace(report.workers[name], **changes)}
        changed = msgspec.structs.replace(report, workers=workers, as_of=utc_now())
        write_file(workspace.root / HEALTH_REPORT, msgspec.json.encode(changed), durable=False)
        return examine_health(workspace)

    with Lease.acquire(workspace, ANA, "headless"):
        yield change


def test_a_workspace_without_an_engine_is_neither_live_nor_ready(workspace, called):
    health = examine_health(workspace)

    assert (health.is_live, health.is_ready, health.engine) == (False, False, "not running")
    assert called(main, "--workspace", workspace.root, "health")[0] == 1
    assert called(main, "--workspace", workspace.root, "health", "--live")[0] == 1


def test_a_running_engine_is_live_and_ready_with_all_its_workers(workspace, engine, called):
    wanted = {"trainer", "webhooks", "monitor", "external_alerts"}  # the first report comes before some have begun
    until(lambda: wanted <= {each.name for each in examine_health(workspace).workers}, "a report of every worker")
    until(lambda: examine_health(workspace).is_ready, "an engine that is ready")
    health = examine_health(workspace)

    assert health.lease.startswith("ana@desk, pid ")
    assert {"state/sessions.json", "telemetry/telemetry.db"} <= {store.name for store in health.stores}

    def told(*how):
        """A busy machine may make a beat late, and the engine silent for a moment."""
        code, out, _ = called(main, "--workspace", workspace.root, "health", *how)
        return out if code == 0 else None

    out = until(lambda: told("--json"), "an engine that is ready")
    assert json.loads(out)["is_ready"] is True
    assert "no breaker is open" in until(told, "an engine that is ready")


def test_a_worker_that_restarts_is_an_open_breaker_and_not_ready_but_live(rewrite, workspace, called):
    health = rewrite("monitor", activity=WorkerActivity.RESTARTING, n_failures=3, last_failure="OSError: full")

    assert (health.is_live, health.is_ready) == (True, False)
    assert [breaker.name for breaker in health.breakers if breaker.is_open] == ["worker monitor"]
    assert "OSError: full" in health.problems[0]


def test_a_worker_that_hangs_is_not_live_and_the_trainer_may_take_long(rewrite):
    long_ago = utc_now() - STUCK_AFTER - timedelta(seconds=5)
    assert rewrite("trainer", activity=WorkerActivity.WORKING, since=long_ago).is_live
    health = rewrite("sampler", activity=WorkerActivity.WORKING, since=long_ago)

    assert (health.is_live, health.is_ready) == (False, False)
    assert "it may hang" in health.problems[0]


def test_a_worker_that_has_ended_is_not_live_and_is_named(rewrite):
    health = rewrite("monitor", activity=WorkerActivity.STOPPED)

    assert (health.is_live, health.is_ready) == (False, False)
    assert "The worker monitor has ended" in health.problems[0]


def test_an_engine_that_writes_no_more_is_not_live(workspace, rewrite):
    assert rewrite().is_ready
    health = examine_health(workspace, lambda: utc_now() + timedelta(minutes=5))

    assert (health.is_live, health.is_ready) == (False, False)
    assert "has written nothing since" in health.problems[0]


def test_a_damaged_store_is_named(workspace, rewrite):
    assert rewrite().is_ready
    workspace.state_file("alerts").write_bytes(b"{")
    workspace.live_file.write_bytes(b"no database at all, and long enough to be read as one" * 40)
    health = rewrite()

    assert health.is_live
    assert not health.is_ready
    assert {store.name for store in health.stores if not store.is_ready} == {"state/alerts.json", "telemetry/live.db"}


def test_a_webhook_that_fails_is_an_open_breaker_and_leaves_the_workspace_ready(workspace, engine):
    workspace.settings_file.write_text(
        "webhooks:\n- {name: ci, url: 'http://127.0.0.1:1/', events: [model_version.created]}\n"
    )
    until(lambda: workspace.state_file("webhooks").exists(), "the webhook being followed")
    _register(workspace)

    def is_open_and_ready():
        health = examine_health(workspace)
        is_open = any(each.name == "webhook ci" and each.is_open and each.next_at for each in health.breakers)
        return is_open and health.is_ready

    until(is_open_and_ready, "the breaker of the webhook and its next try, in a workspace that is ready")


def test_a_dead_channel_is_an_open_breaker_in_the_report_too_and_leaves_the_workspace_ready(workspace, called):
    workspace.settings_file.write_text("alerts: {channels: {ops: ['apprise:json://127.0.0.1:1/']}}\n")
    engine = Engine(workspace, mode="headless", actor=ANA)
    engine.start()
    try:
        until(lambda: examine_health(workspace).is_ready, "an engine that is ready")
        for _ in range(3):
            Outbox(workspace).note_failure(
                ChannelTarget("ops", "ops/apprise 1", "apprise"), DeliveryError("It answered HTTP 503.")
            )
        [breaker] = [each for each in examine_health(workspace).breakers if each.is_open]
        assert (breaker.name, breaker.problem) == ("channel ops/apprise 1", "It answered HTTP 503.")
        assert breaker.next_at is not None
        until(lambda: examine_health(workspace).is_ready, "an engine that is ready as before")
        assert "channel ops/apprise 1" in called(main, "--workspace", workspace.root, "health")[1]
    finally:
        engine.stop()
    assert breaker in read_health(workspace).breakers


def _register(workspace):
    from core.quality.gate import judge
    from core.registry import Registry

    folder = workspace.root.parent / "trained"
    folder.mkdir()
    (folder / "model.txt").write_text("tree\n")
    gates = (judge("coverage", 99.0, ">=", 90.0, unit="%"),)
    Registry(workspace).register("spread", folder, metrics={}, lineage={}, gates=gates, actor=ANA)
