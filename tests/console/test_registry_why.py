"""`w` in the Registry: gate by gate why a version may or may not be promoted, and what it rests on."""

import pytest

from core.actor import Actor, Origin
from core.registry import Registry
from tests.judged_gates import DENIED, GATES, TOLD


async def why(console, key: str) -> str:
    await console.press("3")
    await console.until(lambda: console.screen.NAME == "registry" and console.screen.main_table().rows)
    assert console.screen.main_table().move_to(key)
    await console.settled()
    await console.press("w")
    await console.until(lambda: "Why trust" in console.text())
    return console.text()


async def test_the_gates_of_the_next_step_come_first_with_value_limit_and_reason(open_console):
    async with open_console((80, 24)) as console:
        text = await why(console, "spread/1.3.0")
        for fact in (
            "may go from Staging to Production",
            "pass min_accuracy",
            ">= 0.85",
            "files hashed, all as registered",
            "Who may override",
            "bondx registry policy spread",
        ):
            assert fact in text, fact


async def test_a_blocked_version_shows_the_failing_gates_and_their_limits(open_console, workspace):
    workspace.settings_file.write_text("policy: {promotion: {required_approvals: 1, min_accuracy: 0.999}}\n")
    async with open_console((160, 48)) as console:
        text = await why(console, "spread/1.3.0")
        assert "may not go from Staging to Production" in text
        assert "fail min_accuracy" in text
        assert "fail approvals" in text
        assert "no persons (at least 1)" in text
        assert "nobody has approved 1.3.0" in text


@pytest.mark.parametrize(
    ("key", "says"),
    [("spread/1.2.0", "spread 1.2.0 is live already."), ("spread/1.1.0", "go from Archived to Staging")],
    ids=["live", "archived"],
)
async def test_every_version_has_an_answer(open_console, key, says):
    async with open_console() as console:
        assert says in await why(console, key)


async def test_a_policy_that_cannot_be_read_does_not_hide_the_evidence(open_console, workspace):
    (workspace.root / "policy.yaml").write_text("promotion: {min_acuracy: 0.9}\n")
    async with open_console((80, 24)) as console:
        text = await why(console, "spread/1.3.0")
        assert "min_acuracy" in text
        assert "spread 1.3.0" in text


async def test_gates_tell_nothing_of_a_column_that_is_denied_later(open_console, workspace, tmp_path):
    (tmp_path / "weights.txt").write_text("1 2 3\n")
    actor = Actor("ana", "desk", Origin.COMMAND_LINE)
    Registry(workspace).register("pricing", tmp_path / "weights.txt", metrics={}, lineage={}, gates=GATES, actor=actor)
    async with open_console((160, 60)) as console:
        assert TOLD in await why(console, "pricing/1.0.0")
    workspace.settings_file.write_text(DENIED)
    async with open_console((160, 60)) as console:
        text = await why(console, "pricing/1.0.0")
        assert "1234" in text
        assert TOLD not in text
