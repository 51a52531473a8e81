"""Screen 5: filtered by matchers, grouped, snoozed, commented, with its history."""

import re
from datetime import timedelta

import pytest
from msgspec.structs import replace

from console.dialogs.text import TextDialog
from console.presentation.alerts import HEADING, alert_rows, carrying_lines, detail_lines
from core.actor import Actor
from core.alerts import Alerts, AlertState, fingerprint_of
from core.alerts.routing.reading import load_routing
from core.clock import utc_now
from core.engine.followed_routing import FollowedRouting
from core.explain.stored import EXPLANATION_NAME, StoredExplanation
from core.registry import Registry
from tests.console.conftest import NOW
from tests.console.test_explain import VERSION, importance
from tests.monitored import monitored
from tools.demo import OPERATOR
from widgets.glyphs import UNICODE

RULE = "hash_mismatch"


def key_of(version: str) -> str:
    return fingerprint_of(RULE, {"model": "spread", "version": version})


@pytest.fixture
def two_of_one_rule(workspace) -> tuple[str, str]:
    for version in ("1.0.0", "1.1.0"):
        labels = {"model": "spread", "version": version}
        Alerts(workspace).fire(RULE, labels=labels, summary=f"spread {version} is not what was registered", now=NOW)
    return key_of("1.0.0"), key_of("1.1.0")


async def shown_keys(console) -> list[str]:
    await console.settled()
    return [row.key for row in console.screen.main_table().rows]


async def test_a_filter_of_matchers_shows_the_alerts_with_these_labels(open_console, two_of_one_rule):
    async with open_console((160, 48)) as console:
        await console.press("5", "slash", *'version=~"1.1.*",model=spread', "enter")
        assert await shown_keys(console) == [two_of_one_rule[1]]
        assert "1 of " in console.text()
        await console.press("slash", *"[" * 3, "escape", "slash", *'version=~"("', "enter")
        assert "is not a regular expression" in console.sentence
        assert await shown_keys(console) == []


async def test_words_find_an_alert_by_its_rule_and_its_labels_which_have_no_column(open_console, two_of_one_rule):
    async with open_console((80, 24)) as console:
        await console.press("5", "slash", *RULE, "enter")
        assert set(await shown_keys(console)) >= set(two_of_one_rule)
        await console.press("slash", *" version=1.1.0", "enter")
        assert await shown_keys(console) == [two_of_one_rule[1]]


INHIBITED = """\
route: {receiver: desk}
receivers: [{name: desk}]
inhibit_rules:
  - {source_matchers: [alertname=model_failing], target_matchers: ['alertname=~"hash_.*"'], equal: [model]}
"""


def test_an_inhibited_alert_says_so_with_the_alert_that_hides_it(workspace, snapshot_of, two_of_one_rule):
    (workspace.root / "alertmanager.yaml").write_text(INHIBITED)
    workspace.settings_file.write_text("alerts: {routing: alertmanager.yaml}\n")
    assert not snapshot_of(workspace).inhibited
    Alerts(workspace).fire("model_failing", labels={"model": "spread"}, summary="spread fails", now=NOW)
    snapshot = snapshot_of(workspace)
    assert dict(snapshot.inhibited) == dict.fromkeys(two_of_one_rule, "model_failing")
    by_key = {row.key: row for row in alert_rows(snapshot, NOW, UNICODE)}
    rows = [by_key[key] for key in two_of_one_rule]
    assert [row.text(2) for row in rows] == ["inhibited"] * 2
    heard = [row for row in by_key.values() if row.text(2) == "firing"]
    assert heard
    assert max(row.cells[2].rank for row in heard) < rows[0].cells[2].rank
    alert = next(alert for alert in snapshot.alerts if alert.fingerprint == rows[0].key)
    told = "\n".join(line.text for line in detail_lines(alert, snapshot, UNICODE))
    assert "inhibited   by model_failing: nobody is told" in told
    (workspace.root / "alertmanager.yaml").write_text(INHIBITED.replace("model_failing", "drift_found"))
    assert not snapshot_of(workspace).inhibited


def test_an_alert_is_inhibited_by_the_routing_that_broken_settings_named_before(
    workspace, snapshot_of, two_of_one_rule
):
    file = workspace.root / "alertmanager.yaml"
    file.write_text(INHIBITED)
    FollowedRouting(workspace, lambda: NOW).follow(load_routing(file))
    workspace.settings_file.write_text("alerts: {rooting: alertmanager.yaml}\n")
    Alerts(workspace).fire("model_failing", labels={"model": "spread"}, summary="spread fails", now=NOW)
    assert dict(snapshot_of(workspace).inhibited) == dict.fromkeys(two_of_one_rule, "model_failing")


async def test_the_list_is_grouped_by_model_rule_and_severity(open_console, two_of_one_rule):
    async with open_console((160, 48)) as console:
        await console.press("5")
        plain = await shown_keys(console)
        for label, heading in (
            ("model", "model spread: "),
            ("rule", f"rule {RULE}: 3 alerts, 3 firing"),
            ("severity", ""),
        ):
            await console.press("b")
            keys = await shown_keys(console)
            assert sorted(key for key in keys if not key.startswith(HEADING)) == sorted(plain)
            assert any(heading in row.text(3) for row in console.screen.main_table().rows)
            assert f"by {label}" in console.text()
        await console.press("b")
        assert await shown_keys(console) == plain


async def test_z_snoozes_for_the_time_that_the_right_arrow_chose(open_console, workspace, two_of_one_rule):
    async with open_console((160, 48)) as console:
        await console.press("5")
        await console.until(lambda: console.screen.main_table().move_to(two_of_one_rule[0]))
        await console.settled()
        await console.press("Z")
        await console.until(lambda: "For 2h" in console.text())
        console.time.pass_deafness()
        await console.press("right")
        await console.until(lambda: "For 4h" in console.text())
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: Alerts(workspace).get(two_of_one_rule[0]).snoozed_by is not None)
        left = Alerts(workspace).get(two_of_one_rule[0]).snoozed_until - utc_now()
        assert timedelta(hours=3) < left <= timedelta(hours=4)
        assert Alerts(workspace).get(two_of_one_rule[1]).snoozed_until is None


async def test_w_shows_the_history_with_who_and_when(open_console, workspace, two_of_one_rule):
    Alerts(workspace).comment(two_of_one_rule[0], OPERATOR, "restored from the archive")
    async with open_console((160, 48)) as console:
        await console.press("5")
        await console.until(lambda: console.screen.main_table().move_to(two_of_one_rule[0]))
        await console.settled()
        assert "restored from the archive" in console.text()
        await console.press("w")
        await console.until(lambda: isinstance(console.app.screen, TextDialog) and "History" in console.text())
        assert "commented" in console.text()


def test_the_timeline_draws_each_step_of_the_incident(workspace, snapshot_of):
    alerts = Alerts(workspace)
    fired = alerts.fire(RULE, labels={"model": "m"}, summary="bad", now=NOW)
    alerts.clear(RULE, labels={"model": "m"}, now=NOW + timedelta(minutes=1))
    alerts.fire(RULE, labels={"model": "m"}, summary="bad", now=NOW + timedelta(minutes=2))
    taken = alerts.acknowledge(fired.fingerprint, Actor.engine())
    assert taken.state is AlertState.ACKNOWLEDGED
    text = [line.text for line in detail_lines(taken, snapshot_of(workspace), UNICODE)]
    drawn = text[text.index(next(line for line in text if line.startswith("Timeline"))) + 1]
    assert (drawn[0], drawn.count("F") + drawn.count("A")) == ("F", len(drawn) - drawn.count("-"))


@pytest.fixture
def snapshot_of():
    from core.view.source import take_snapshot

    return take_snapshot


async def test_w_on_an_alert_names_the_columns_that_carry_it_and_what_its_version_relies_on(open_console, workspace):
    monitored(workspace, "spread")
    folder = workspace.artifacts_dir / Registry(workspace).get("spread", "1.0.0").path
    explained = replace(VERSION, features=(importance("rating", 0.8), importance("sector", 0.4)))
    labels = {"model": "spread", "version": "1.0.0"}
    Alerts(workspace).fire(RULE, labels=labels, summary="spread 1.0.0 is not what was registered", now=NOW)
    folder.chmod(0o755)
    (folder / EXPLANATION_NAME).write_bytes(StoredExplanation(report=explained).to_bytes())
    async with open_console((160, 48)) as console:
        await console.press("5")
        assert console.screen.main_table().move_to(key_of("1.0.0"))
        await console.press("w")
        await console.until(lambda: isinstance(console.app.screen, TextDialog) and "Relies on" in console.text())
        told = console.text()
        assert re.search(r"31%\s+sector\s+alarm; Energy 12% -> 31% of the rows; since 2026-11-27 07:12 UTC", told)
        assert "rating" in told
        await console.press("escape")
        text = workspace.settings_file.read_text()
        assert "denied_columns: []" in text
        workspace.settings_file.write_text(text.replace("denied_columns: []", "denied_columns: [rating]"))
        await console.press("w")
        await console.until(lambda: isinstance(console.app.screen, TextDialog) and "Relies on" in console.text())
        assert "rating" not in console.text()
        assert "Left out, because denied later: 1 of 2 columns." in console.text()


def test_an_alert_of_no_version_is_carried_by_no_column(workspace, snapshot_of):
    snapshot = snapshot_of(workspace)
    alert = next(each for each in snapshot.alerts if "model" not in each.labels)
    assert carrying_lines(alert, snapshot) == []
