"""A full disk, about which no alert can be written: every face says it, and says it first."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from console.cli.main import main
from console.commands.status import facts_of
from console.presentation.alerts import worst_key, wrong_rows
from console.presentation.calm import no_alerts
from console.presentation.status import Circumstances, status_of
from console.presentation.write_access import WriteAccess
from core.actor import Actor, Origin
from core.alerts import Alerts
from core.engine import Engine
from core.state import Lease, LeaseHolder, Workspace
from core.state.errors import LeaseHeldError
from core.view.source import SnapshotSource, take_snapshot
from tests.console.conftest import NOW
from tests.disks import filled, mounted
from widgets.glyphs import UNICODE

MIRA = Actor("mira", "desk-4", Origin.CONSOLE)


@pytest.fixture
def small(tmp_path):
    with mounted(tmp_path / "disk", "8m") as folder:
        yield Workspace.create(folder / "ws", settings_text="")


def test_status_says_it_first_and_fails(small, called):
    with filled(small.root.parent):
        code, out, _ = called(main, "--workspace", small.root, "status")
        facts = json.loads(called(main, "--workspace", small.root, "status", "--json")[1])
    assert code == 1
    assert out.splitlines()[1].startswith("critical")
    assert out.count("is full: 0 KiB free") == 1
    assert facts["unwritable"] == facts["problems"][0]
    assert called(main, "--workspace", small.root, "status")[0] == 0


@pytest.mark.parametrize("flags", [(), ("--json",), ("--all",)])
def test_an_empty_list_of_alerts_fails(small, called, flags):
    with filled(small.root.parent):
        code, _, err = called(main, "--workspace", small.root, "alerts", "list", *flags)
    assert code == 1
    assert "is full: 0 KiB free" in err
    assert called(main, "--workspace", small.root, "alerts", "list", *flags)[0] == 0


def test_every_change_that_finds_no_room_exits_with_the_same_code(small, called):
    alert = Alerts(small).fire("hash_mismatch", labels={"model": "spread"}, summary="forged", now=NOW)
    silence = ("alerts", "silence", "add", "model=spread", "--for", "2h", "--comment", "x")
    with filled(small.root.parent):
        for command in (silence, ("alerts", "acknowledge", alert.fingerprint)):
            code, _, err = called(main, "--workspace", small.root, *command)
            assert code == 2
            assert "free some space and try again. This change was not made." in err


@pytest.mark.parametrize("flags", [(), ("--api", "127.0.0.1:0")])
def test_an_engine_does_not_start_and_says_why_in_one_sentence(small, called, flags):
    with filled(small.root.parent):
        code, out, err = called(main, "--workspace", small.root, "run", "--headless", "--no-session", *flags)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("bondx: No engine starts: the disk of")
    assert line.endswith("Free some space.")


def test_a_running_engine_is_named_on_a_full_disk_too(small, called):
    """A console attaches to it, and another headless engine is refused for it."""
    with Lease.acquire(small, MIRA, "headless"), filled(small.root.parent):
        with pytest.raises(LeaseHeldError):
            Engine(small, mode="embedded", actor=MIRA).start()
        code, _, err = called(main, "--workspace", small.root, "run", "--headless", "--no-session")
    assert code == 4
    assert "An engine is already running" in err


def test_it_comes_before_every_alert_and_counts_as_critical(small):
    Alerts(small).fire("hash_mismatch", labels={"model": "spread"}, summary="forged", now=NOW)
    with filled(small.root.parent):
        snapshot = take_snapshot(small)
    assert "no alert can be recorded now" in no_alerts(replace(snapshot, alerts=()))
    first = wrong_rows(snapshot, NOW, UNICODE)[0]
    assert first.key == worst_key(snapshot)
    assert first.texts[0] == "✗ critical"
    assert "is full" in first.texts[1]
    assert first.cells[1].brief == "disk full: free space; nothing is recorded"
    around = Circumstances(now=NOW, standing=WriteAccess())
    assert status_of(snapshot, around).n_critical == 2


async def test_the_overview_never_says_that_nothing_is_wrong(open_console, monkeypatch):
    monkeypatch.setattr("core.view.source.write_problem", lambda root: f"the disk of {root} is full: 0 KiB free.")
    async with open_console() as console:
        wrong = console.screen.query_one("#wrong")
        await console.until(lambda: wrong.rows and "is full" in wrong.rows[0].texts[1], "the full disk")
        wrong.focus()
        title, lines = console.screen.why()
        assert title == "Nothing can be recorded"
        assert "is full" in lines[0].text


def test_figures_of_an_engine_that_cannot_store_its_samples_say_when_they_were_measured(workspace):
    snapshot = SnapshotSource(workspace, clock=lambda: NOW).take()
    sampled = {"resource.cpu_percent": ((NOW.timestamp(), 12.0),)}
    holder = LeaseHolder(user="mira", host="desk-4", pid=4711, mode="headless", acquired_at=NOW)
    at_work = replace(snapshot, engine=holder, resources=sampled)
    assert facts_of(at_work, now=NOW + timedelta(seconds=5))["resources_at"] is None
    assert facts_of(at_work, now=NOW + timedelta(seconds=70))["resources_at"] == NOW
