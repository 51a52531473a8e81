"""What a key offers, a sentence promises and a column names must hold for the row under the cursor."""

import msgspec
import pytest

from console.cli.main import main
from console.presentation.alerts import wrong_rows
from console.presentation.keys import with_keys
from console.presentation.status import HOST
from console.presentation.versions import attainment_cell, next_by_model
from console.verbs.line import parse
from console.verbs.offer import OfferContext
from console.verbs.session import RESUME_SESSION, STOP
from core.alerts import Alerts
from core.errors import UsageError
from core.registry import Stage
from core.rollout import DesiredRollout, Rollouts
from core.settings import TrainingSettings
from core.state import StaleRevisionError
from core.training.session import DesiredSession
from core.training.sessions import Sessions
from core.view.source import take_snapshot
from tests.console.conftest import NOW
from tools.demo import OPERATOR
from widgets.glyphs import UNICODE


@pytest.mark.parametrize(
    ("metrics", "text"),
    [
        pytest.param({"attainment": 0.8312, "estimated_attainment": 0.5}, "83.1%", id="measured"),
        pytest.param({"estimated_attainment": 0.8312}, "~83%", id="estimated"),
        pytest.param({"r2": 0.8312}, "–", id="neither"),
    ],
)
def test_an_attainment_that_was_estimated_is_marked(metrics, text):
    assert attainment_cell(metrics).text == text


def text_of(lines):
    return "\n".join(line.text for line in lines)


@pytest.fixture
def context(workspace):
    return OfferContext(workspace=workspace, actor=OPERATOR, glyphs=UNICODE, absence=None)


@pytest.fixture
def queued(workspace):
    return Sessions(workspace).start(TrainingSettings(), name="later", actor=OPERATOR)


def test_stopping_a_queued_session_promises_no_checkpoint(context, queued):
    told = text_of(STOP.offer(context, queued).lines)
    assert "checkpoint" not in told
    assert "H queues it again." in told


def test_resuming_a_queued_session_queues_it(context, queued, workspace):
    paused = Sessions(workspace).request(queued.session_id, DesiredSession.PAUSED, actor=OPERATOR)
    first = RESUME_SESSION.offer(context, paused).lines[0].text
    assert first.endswith("→ queued")


def test_no_archived_or_passed_version_is_next(workspace):
    versions = [version for version in take_snapshot(workspace).versions if version.model == "spread"]
    by_number = {version.version: version for version in versions}

    def following(**stages):
        moved = [msgspec.structs.replace(by_number[number], stage=stage) for number, stage in stages.items()]
        found = next_by_model(tuple(moved)).get("spread")
        return found and found.version

    archived, live, staging, new = Stage.ARCHIVED, Stage.PRODUCTION, Stage.STAGING, Stage.DEVELOPMENT
    assert following(**{"1.3.0": archived, "1.2.0": live}) is None
    assert following(**{"1.2.0": new, "1.1.0": live, "1.0.0": staging}) == "1.0.0"
    assert following(**{"1.2.0": live, "1.1.0": new}) is None
    assert following(**{"1.3.0": new, "1.2.0": live, "1.1.0": new}) == "1.3.0"


def test_a_word_that_is_a_key_names_its_key():
    with pytest.raises(UsageError, match=r"There is no command :filter; press / instead"):
        parse("filter spread")


def test_a_conflict_names_the_alert_and_no_bookkeeping(workspace):
    alerts = Alerts(workspace)
    alert = next(each for each in alerts.open() if each.rule == "hash_mismatch")
    alerts.resolve(alert.fingerprint, OPERATOR, reason="restored")
    with pytest.raises(StaleRevisionError) as caught:
        alerts.acknowledge(alert.fingerprint, OPERATOR, expected_revision=alert.revision)
    told = str(caught.value)
    assert told.startswith(f"alert {alert.full_name} was changed by")
    assert "state firing → resolved" in told
    assert "revision" not in told
    assert "resolved_by" not in told


async def test_the_command_line_completes_alerts_by_their_rule_and_labels(open_console):
    async with open_console() as console:
        found = console.app.commands.complete("acknowledge hash_m")
        assert found == ("acknowledge hash_mismatch{model=downgrade,version=1.0.0}",)
        console.app.commands.run(found[0])
        await console.until(lambda: getattr(console.app.screen, "_readable_at", None) is not None, "a dialog")


async def test_n_cancels_a_dialog(open_console):
    async with open_console() as console:
        await console.dialog("3", "U")
        console.time.pass_deafness()
        await console.press("n")
        assert console.app.screen is console.screen


async def test_the_footer_dims_a_canary_of_the_live_version_and_offers_the_rollback_of_a_folded_model(open_console):
    async with open_console((120, 40)) as console:
        await console.press("3")
        await console.until(lambda: console.screen.main_table().move_to("spread/1.2.0"), "the live version")
        hints = {hint.key: hint.enabled for hint in console.screen.key_hints()}
        assert not hints["C"]
        assert hints["R"]
        await console.press("f")
        await console.until(lambda: console.screen.main_table().move_to("spread"), "the model")
        assert {hint.key: hint.enabled for hint in console.screen.key_hints()}["R"]


async def test_a_frozen_screen_still_names_the_host_and_the_workspace(open_console, workspace):
    async with open_console((80, 24)) as console:
        await console.press("p")
        top = console.text().splitlines()[0]
        assert "frozen at" in top
        assert HOST in top
        assert workspace.root.name in top


async def test_an_empty_list_of_the_past_names_no_key_that_starts_something(open_console, workspace):
    workspace.database("sessions").table("sessions").truncate()
    async with open_console((80, 24), read_only=True) as console:
        await console.press("2")
        assert "No session yet." in console.text()
        assert with_keys("{training.start_or_stop} starts") not in console.text()


def test_a_rollout_that_a_person_keeps_at_its_share_is_held_everywhere(workspace, called):
    rollouts = Rollouts(workspace)
    active = next(each for each in rollouts.all() if each.is_active)
    seen = rollouts.request(active.rollout_id, DesiredRollout.PAUSED, actor=OPERATOR)
    for words in (("rollout", "show", active.rollout_id), ("rollout", "list"), ("status",)):
        assert "paused" not in called(main, "--workspace", workspace.root, *words)[1]
    assert "desired        held" in called(main, "--workspace", workspace.root, "rollout", "show", active.rollout_id)[1]
    with pytest.raises(StaleRevisionError, match="asked for now: held"):
        rollouts.request(
            active.rollout_id, DesiredRollout.RUNNING, actor=OPERATOR, expected_revision=seen.desired_revision - 1
        )


def test_a_damaged_settings_file_says_what_is_wrong_where_there_is_little_room(workspace):
    with workspace.settings_file.open("a") as file:
        file.write("\nalertz: {a: 1}\n")
    damage = wrong_rows(take_snapshot(workspace), NOW, UNICODE)[0].cells[1]
    assert damage.brief.startswith("bondx.yaml, line ")
    assert "column" not in damage.brief
    assert ": there is no key 'alertz'" in damage.brief
