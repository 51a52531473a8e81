"""A model that had a live version and has none now: shown as a problem, and never put back by accident."""

import json
from dataclasses import replace

import msgspec
import pytest

from console.cli.main import main
from console.presentation.alerts import wrong_rows
from console.verbs.suspect import RollBackSuspect
from core.alerts import Alerts
from core.registry import Registry, Stage
from core.view.retired import retired_models
from core.view.source import take_snapshot
from core.view.suspects import standing_of, suspect_of
from tests.console.conftest import NOW
from tools.demo import OPERATOR
from widgets.glyphs import UNICODE

R = RollBackSuspect()


@pytest.fixture
def retired(workspace) -> Registry:
    """Take the live version of a model out; 1.1.0 was live before it, 1.3.0 is in Staging."""
    registry = Registry(workspace)
    registry.apply(registry.plan_archive("spread", "1.2.0"), actor=OPERATOR, reason="by mistake")
    return registry


@pytest.fixture
def snapshot(workspace, retired):
    return take_snapshot(workspace)


def test_an_alert_about_a_version_without_requests_offers_no_way_back(workspace, snapshot):
    alert = Alerts(workspace).fire(
        "rollout_rolled_back", labels={"model": "spread", "version": "1.3.0"}, summary="1.3.0 was rolled back", now=NOW
    )
    suspect = suspect_of(alert, snapshot)
    assert R.refusal(suspect) == "spread 1.3.0 is in Staging; no version of spread is live."


def test_a_row_about_the_model_returns_to_the_version_before(snapshot):
    suspect = standing_of("spread", None, snapshot)
    assert (R.refusal(suspect), suspect.returns_to) == (None, "1.1.0")


def test_a_model_that_was_never_live_has_no_way_back_and_is_no_problem(snapshot):
    assert R.refusal(standing_of("anomaly", None, snapshot)) == "anomaly has no live version."
    assert [each.model for each in retired_models(snapshot)] == ["spread"]


def test_it_is_a_problem_of_the_overview(snapshot):
    rows = {row.key: row.texts for row in wrong_rows(snapshot, NOW, UNICODE)}
    assert "spread has no live version: 1.2.0 was the last one" in rows["no-live-version/spread"][1]


def test_status_tells_it_and_does_not_fail_by_it(workspace, retired, capsys):
    main(["status", "--json", "--workspace", str(workspace.root)])
    (told,) = json.loads(capsys.readouterr().out)["without_live_version"]
    assert (told["model"], told["version"]) == ("spread", "1.2.0")
    main(["status", "--workspace", str(workspace.root)])
    assert "spread has no live version since" in capsys.readouterr().out


async def test_the_row_on_the_overview_leads_to_the_rollback(open_console, workspace, retired):
    async with open_console() as console:
        wrong = console.screen.query_one("#wrong")
        await console.until(lambda: wrong.move_to("no-live-version/spread"), "the row")
        wrong.focus()
        await console.settled()
        await console.dialog("R")
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: Registry(workspace).get("spread", "1.1.0").stage is Stage.PRODUCTION)


def test_the_first_live_version_has_none_to_roll_back_to(workspace):
    snapshot = take_snapshot(workspace)
    assert R.refusal(standing_of("spread", None, snapshot)) is None
    (spread,) = (each for each in snapshot.models if each.model == "spread")
    first = replace(snapshot, models=(msgspec.structs.replace(spread, previous_production=()),))
    assert R.refusal(standing_of("spread", None, first)) == "spread has no earlier Production version to roll back to."
