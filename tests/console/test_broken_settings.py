"""A settings file that cannot be used refuses a promotion, and never a return to an earlier state."""

import pytest

from bondx import MLOpsConfig, ModelRegistry
from console.cli.main import main
from core.governance import AuditLog
from core.registry import Registry, Stage
from core.rollout.rollouts import Rollouts
from core.settings import SettingsError
from tools.demo import OPERATOR

WARNING = "Decided by earlier settings, last read or default, since the present ones cannot be used: "


@pytest.fixture
def broken(workspace):
    """Append a block that does not exist to `bondx.yaml`."""
    with workspace.settings_file.open("a") as file:
        file.write("\nalertz: {a: 1}\n")
    return workspace


def stage(workspace, version):
    return Registry(workspace).get("spread", version).stage


def test_the_plans_of_the_way_back_are_made_and_say_by_which_rules(broken):
    registry = Registry(broken)
    plans = (registry.plan_rollback("spread"), registry.plan_undo("spread"), registry.plan_archive("spread", "1.3.0"))
    assert [plan.refusal for plan in plans] == [None, None, None]
    assert all(plan.warnings[-1].startswith(WARNING) for plan in plans)
    with pytest.raises(SettingsError, match="alertz"):
        registry.plan_promotion("spread", "1.3.0")


def test_the_audit_log_records_that_earlier_settings_decided(broken):
    registry = Registry(broken)
    registry.apply(registry.plan_rollback("spread"), actor=OPERATOR, reason="quotes are off")
    (newest,) = AuditLog(broken).tail(1)
    assert newest.reason == "quotes are off (decided by earlier settings: the present ones cannot be used)"


def test_a_rule_read_before_still_decides(workspace):
    workspace.settings_file.write_text("policy: {promotion: {require_verified_artifact: false}}\n")
    assert Registry(workspace).plan_rollback("spread").allowed
    live = Registry(workspace).get("spread", "1.1.0")
    workspace.settings_file.write_text("alertz: {a: 1}\n")
    (workspace.artifacts_dir / "spread" / live.version / "model.json").write_text("{}")
    (gate, *_) = Registry(workspace).plan_rollback("spread").gates
    assert (gate.name, gate.blocks) == ("verified_artifact", False)


@pytest.mark.parametrize("words", [("rollback", "spread"), ("undo", "spread"), ("archive", "spread", "1.3.0")])
def test_the_command_line_goes_back(broken, called, words):
    code, out, err = called(main, "--workspace", broken.root, "registry", *words)
    assert code == 0
    assert [line for line in err.splitlines() if "no key 'alertz'" not in line] == []
    assert WARNING in out


def test_python_goes_back(broken):
    ModelRegistry(MLOpsConfig.from_yaml(workspace=broken.root)).rollback_model("spread")
    assert stage(broken, "1.1.0") is Stage.PRODUCTION


def test_a_rollout_is_aborted(broken, called):
    active = next(each for each in Rollouts(broken).all() if each.is_active)
    assert called(main, "--workspace", broken.root, "rollout", "abort", active.rollout_id)[0] == 0


async def test_the_console_goes_back(open_console, workspace):
    async with open_console() as console:
        with workspace.settings_file.open("a") as file:
            file.write("\nalertz: {a: 1}\n")
        await console.press("3")
        await console.until(lambda: console.screen.main_table().move_to("spread/1.2.0"), "the row")
        dialog = await console.dialog("R")
        assert any(WARNING in line.text for line in dialog.query_one("#dialog-body").lines)
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: stage(workspace, "1.1.0") is Stage.PRODUCTION)
