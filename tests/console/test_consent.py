"""A version goes live from the command line only if a person types it, or says --yes where nobody can be asked."""

import functools
import sys
import textwrap

import msgspec
import pexpect
import pytest

from console.cli.main import main
from core.actor import Actor, Origin
from core.api import ModelRegistry
from core.api.config import MLOpsConfig
from core.errors import RefusedError
from core.governance import AuditLog
from core.registry import Registry, Stage
from core.registry.planning import reason_for
from core.rollout import DesiredRollout, RolloutPhase, Rollouts, Strategy
from tests.console.test_change_dialogs import at, stage_of
from tests.terminal.test_progress_line import CLEAR, HURRIED, on_terminal
from tests.waiting import PATIENCE_SECONDS

SLOWLY_ANSWERED = textwrap.dedent("""
    import os, sys, threading

    class Turns(threading.Event):
        n = 0

        def wait(self, timeout=None):
            Turns.n += timeout == 0.02
            return super().wait(timeout)

    class Hesitant:
        def __getattr__(self, name):
            return getattr(sys.__stdin__, name)

        def readline(self):
            begun = Turns.n
            while Turns.n < begun + 5:
                pass
            os.write(2, b"<the line had its turns>")
            return sys.__stdin__.readline()

    sys.stdin, threading.Event = Hesitant(), Turns
""")
ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
HARMFUL = ("liquidity_shock", "1.3.0")  # ro-0001 rolled it back, and it is in Staging


@pytest.fixture
def answer(workspace, monkeypatch, called):
    monkeypatch.setenv("BONDX_HOME", str(workspace.root))
    return functools.partial(called, main)


def test_without_a_terminal_nothing_goes_live_unless_yes_says_so(workspace, answer):
    code, _, err = answer("registry", "promote", "spread", "1.3.0")
    assert (code, stage_of(workspace, "spread", "1.3.0")) == (2, Stage.STAGING)
    assert "spread 1.3.0 goes to Production: confirm it with --yes" in err

    assert answer("registry", "promote", "spread", "1.3.0", "--yes")[0] == 0
    assert stage_of(workspace, "spread", "1.3.0") is Stage.PRODUCTION


@pytest.mark.parametrize(
    ("typed", "code", "stage"),
    [("1.3.0", 0, Stage.PRODUCTION), ("1.3.1", 3, Stage.STAGING), ("y", 3, Stage.STAGING), ("", 3, Stage.STAGING)],
    ids=["the version", "another", "y", "nothing"],
)
def test_at_a_terminal_the_version_is_typed(typed, code, stage, workspace):
    command = ["-m", "bondx", "--workspace", str(workspace.root), "registry", "promote", "spread", "1.3.0"]
    with pexpect.spawn(sys.executable, command, timeout=PATIENCE_SECONDS, encoding="utf-8") as child:
        child.expect_exact("Type 1.3.0 to put spread 1.3.0 into Production: ")
        child.sendline(typed)
        child.expect(pexpect.EOF)
        child.wait()

    assert (child.exitstatus, stage_of(workspace, "spread", "1.3.0")) == (code, stage)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("console.cli.main", ("registry", "promote", "spread", "1.3.0")),
        ("console.mlops.cli", ("promote", "--model", "spread", "--version", "1.3.0", "--stage", "production")),
    ],
    ids=["bondx", "bondx-mlops"],
)
def test_no_progress_is_drawn_over_an_open_question(workspace, module, words):
    script = SLOWLY_ANSWERED + HURRIED
    with on_terminal("--workspace", workspace.root, *words, module=module, script=script) as terminal:
        terminal.read_until("<the line had its turns>")
        terminal.enter("1.3.0")
        before, _, after = terminal.rest().partition("Type 1.3.0 to put spread 1.3.0 into Production: ")
    assert (terminal.process.returncode, stage_of(workspace, "spread", "1.3.0")) == (0, Stage.PRODUCTION), after
    assert after.startswith("<the line had its turns>1.3.0\r\n"), after
    assert before.rpartition("\n")[2] in ("", CLEAR)


def test_no_progress_is_drawn_over_the_question_for_a_workspace(tmp_path):
    words = ("--workspace", tmp_path / "new", "train", "--model", "m", "--data", "rows.csv", "--target", "y")
    with on_terminal(*words, module="console.mlops.cli", script=SLOWLY_ANSWERED + HURRIED) as terminal:
        terminal.read_until("<the line had its turns>")
        terminal.enter("n")
        after = terminal.rest().partition("Create a workspace there? [y/N] ")[2]
    assert after.startswith("<the line had its turns>n\r\n"), after
    assert not (tmp_path / "new").exists()


def test_a_dry_run_and_a_refusal_ask_nothing(workspace, answer):
    assert answer("registry", "promote", "spread", "1.3.0", "--dry-run")[0] == 0
    (workspace.root / "policy.yaml").write_text("promotion: {min_accuracy: 0.9999}\n")
    code, _, err = answer("registry", "promote", "spread", "1.3.0")
    assert (code, "--yes" in err) == (3, False)


def test_a_version_that_its_rollout_rolled_back_goes_live_only_with_a_reason_against_the_verdict(workspace, answer):
    promote = ("registry", "promote", *HARMFUL, "--yes")
    code, _, err = answer(*promote)
    assert (code, stage_of(workspace, *HARMFUL)) == (3, Stage.STAGING)
    assert "ro-0001 rolled back 1.3.0" in err
    assert "--override REASON" in err
    assert answer(*promote, "--override", "  ")[0] == 3

    assert answer(*promote, "--reason", "drill", "--override", "the panel was wrong")[0] == 0
    assert stage_of(workspace, *HARMFUL) is Stage.PRODUCTION
    assert Registry(workspace).went_live("liquidity_shock").reason == "drill (override: the panel was wrong)"
    assert AuditLog(workspace).tail(1)[0].reason == "drill (override: the panel was wrong)"


def test_the_python_face_takes_the_same_reason(workspace):
    models = ModelRegistry(MLOpsConfig.from_yaml(workspace=workspace.root))
    with pytest.raises(RefusedError, match="ro-0001 rolled back"):
        models.promote_model(*HARMFUL)
    assert models.promote_model(*HARMFUL, override="the panel was wrong").stage is Stage.PRODUCTION


@pytest.mark.parametrize(
    ("reason", "override", "kept"),
    [
        ("drill", "", "drill"),
        ("drill", "wrong panel", "drill; wrong panel"),
        ("", "wrong panel", "wrong panel"),
        ("drill", "drill", "drill"),
    ],
)
def test_without_a_verdict_a_reason_against_one_is_a_reason_like_any_other(workspace, reason, override, kept):
    plan = Registry(workspace).plan_promotion("spread", "1.3.0")
    assert reason_for(plan, reason, override) == kept


async def test_the_console_asks_for_the_reason_before_it_overrides_a_verdict(open_console, workspace):
    async with open_console() as console:
        await at(console, "/".join(HARMFUL))
        dialog = await console.dialog("P")
        console.time.pass_deafness()
        dialog.begin_to_listen()
        assert "ro-0001 rolled back 1.3.0" in console.text()
        while dialog._n_unseen:
            await console.press("Y")
            console.time.pass_deafness()
        await console.press(*"1.3.0", "Y")
        await console.until(lambda: "Tab to the required reason, then Y confirms" in console.text(), "the hint")
        assert stage_of(workspace, *HARMFUL) is Stage.STAGING

        await console.press("tab", *"wrong", "enter", "Y")
        await console.until(lambda: stage_of(workspace, *HARMFUL) is Stage.PRODUCTION, "the promotion")
        assert Registry(workspace).went_live("liquidity_shock").reason == "override: wrong"


@pytest.fixture
def rollouts(workspace) -> Rollouts:
    return Rollouts(workspace)


def test_a_later_rollout_without_a_verdict_leaves_the_verdict(workspace, rollouts, answer):
    started = rollouts.start(rollouts.plan(*HARMFUL, Strategy.CANARY, actor=ANA), actor=ANA)
    assert "ro-0001 rolled back 1.3.0" in rollouts.verdict_against(started)
    rollouts.abort(started.rollout_id, actor=ANA)

    code, _, err = answer("registry", "promote", *HARMFUL, "--yes")
    assert (code, "ro-0001 rolled back 1.3.0" in err) == (3, True)


def test_a_rollout_of_a_version_that_was_rolled_back_says_so_before_it_starts(rollouts):
    proposal = rollouts.plan(*HARMFUL, Strategy.CANARY, actor=ANA)
    assert any("ro-0001 rolled back 1.3.0" in effect for effect in proposal.effects)


@pytest.mark.parametrize("face", ["command line", "core"])
def test_a_rollout_promoted_without_proof_takes_the_reason_too(face, workspace, rollouts, answer):
    started = rollouts.start(rollouts.plan(*HARMFUL, Strategy.CANARY, actor=ANA), actor=ANA)
    running = msgspec.structs.replace(started.observed, phase=RolloutPhase.RUNNING, share=0.05)
    rollouts.save(started, running)
    if face == "core":
        with pytest.raises(RefusedError, match="ro-0001 rolled back"):
            rollouts.promote_now("liquidity_shock", actor=ANA)
        asked = rollouts.promote_now("liquidity_shock", actor=ANA, override="wrong panel")
    else:
        code, _, err = answer("rollout", "promote", "liquidity_shock", "--yes")
        assert (code, "--override REASON" in err) == (3, True)
        assert answer("rollout", "promote", "liquidity_shock", "--yes", "--override", "wrong panel")[0] == 0
        asked = rollouts.named("liquidity_shock")
    assert asked.desired is DesiredRollout.PROMOTE_NOW
    assert AuditLog(workspace).tail(1)[0].reason == "override: wrong panel"


def test_a_return_to_a_version_that_was_rolled_back_names_the_verdict_and_needs_no_reason(workspace, answer):
    assert answer("registry", "promote", *HARMFUL, "--yes", "--override", "wrong panel")[0] == 0
    assert answer("registry", "rollback", "liquidity_shock")[0] == 0
    plan = Registry(workspace).plan_undo("liquidity_shock")
    assert any("ro-0001 rolled back 1.3.0" in warning for warning in plan.warnings)

    assert answer("registry", "undo", "liquidity_shock", "--reason", "back")[0] == 0
    reason = AuditLog(workspace).tail(1)[0].reason
    assert reason.startswith("back (against the verdict: ro-0001 rolled back 1.3.0")
