"""From an alert to the rollback of its suspect version on an 80x24 terminal: three keys, and none by accident."""

import pytest

from core.alerts import Alerts
from core.clock import utc_now
from core.registry import Registry
from core.state import Lease
from tests.waiting import until
from tools.demo import OPERATOR, make_demo

pytestmark = pytest.mark.terminal
SUSPECT = {"model": "downgrade", "version": "1.2.0"}


def live(workspace) -> str | None:
    return next(model.production for model in Registry(workspace).models() if model.model == "downgrade")


def test_three_keys_lead_from_an_alert_to_the_rollback_and_enter_or_an_early_y_to_none(terminal, tmp_path):
    workspace = make_demo(tmp_path / "w", now=utc_now())
    assert live(workspace) == SUSPECT["version"]
    Alerts(workspace).fire("hash_mismatch", labels=SUSPECT, summary="downgrade 1.2.0 was changed", now=utc_now())
    with Lease.acquire(workspace, OPERATOR, "headless"):
        console = terminal(f"bondx --workspace {workspace.root}", cwd=tmp_path)
        console.wait_for(r"downgrade 1\.2\.0 was changed")
        console.press("5")
        console.wait_for(r"▌.*downgrade 1\.2\.0 was changed")
        console.press("Y")  # without a question
        console.press("R", "Y")  # typed ahead of the question
        console.wait_for(r"Roll back downgrade to [\d.]+")
        console.wait_for(r"Y (confirms|shows)")
        console.press("Enter")  # closes
        console.wait_until(lambda screen: "Roll back downgrade to" not in screen, "no dialog")
        assert live(workspace) == SUSPECT["version"]
        console.press("R")
        console.wait_for(r"Y confirms: roll back")
        console.press("Y")
        until(lambda: live(workspace) != SUSPECT["version"], "the rollback", told=console.screen)
        console.wait_until(lambda screen: "Roll back downgrade to" not in screen, "no dialog")
        console.leave_console()
