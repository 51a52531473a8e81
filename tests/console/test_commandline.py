"""The command line: what a line means, and how it is completed."""

import doctest
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace as Object

import pytest

import console.presentation.comparison
import console.presentation.epochs
import console.presentation.gates
import console.presentation.phrases
import console.presentation.resources
import console.presentation.rollouts
import console.runtime.clipboard
import console.verbs.line
import console.verbs.view
import widgets.lines_pane
from console.presentation.write_access import WriteAccess
from console.verbs.catalog import COMMANDS, EVERYWHERE
from console.verbs.keymap import Keymap
from console.verbs.keys import help_lines
from console.verbs.line import complete, every_line, parse
from core.alerts import AlertState
from core.errors import UsageError
from core.registry import Stage
from core.rollout import DesiredRollout, RolloutPhase
from core.training.session import DesiredSession, ObservedSession, Session, SessionPhase
from core.view.snapshot import Snapshot
from widgets.line import Line
from widgets.lines_pane import wrap

T0 = datetime(2026, 3, 2, tzinfo=UTC)


def a_session(number: int, phase: SessionPhase, desired: DesiredSession = DesiredSession.RUNNING) -> Session:
    return Session(
        session_id=f"s-000{number}",
        name="small",
        created_at=T0,
        created_by="ana",
        settings={},
        desired=desired,
        desired_by="ana",
        desired_at=T0,
        observed=ObservedSession(phase=phase),
    )


def _version(model: str, version: str, stage: Stage) -> Object:
    return Object(key=f"{model}/{version}", model=model, version=version, stage=stage, lineage={})


def a_rollout(number: int, phase: RolloutPhase, desired: DesiredRollout = DesiredRollout.RUNNING) -> Object:
    is_held = desired is DesiredRollout.PAUSED
    return Object(
        rollout_id=f"ro-000{number}",
        model="anomaly",
        candidate="2.1.0",
        observed=Object(phase=phase),
        is_active=phase.is_active,
        is_aborting=False,
        is_held=is_held,
        needs_resuming=is_held,
        is_asked_live=False,
        is_asked_further=False,
        is_at_last_step=False,
        is_open=True,
        desired_by="ana",
    )


WORDS = Snapshot(
    taken_at=T0,
    workspace=Path("desk-risk"),
    models=(
        Object(model="spread", production="1.0.0", previous_production=("0.9.0",)),
        Object(model="anomaly", production="2.0.0", previous_production=()),
    ),
    versions=(
        _version("spread", "1.1.0", Stage.STAGING),
        _version("spread", "1.0.0", Stage.PRODUCTION),
        _version("spread", "0.9.0", Stage.ARCHIVED),
        _version("anomaly", "2.1.0", Stage.STAGING),
        _version("anomaly", "2.0.0", Stage.PRODUCTION),
    ),
    transitions={"spread": (Object(verb="promote"),)},
    sessions=(
        a_session(4, SessionPhase.FAILED),
        a_session(3, SessionPhase.PAUSED, DesiredSession.PAUSED),
        a_session(2, SessionPhase.RUNNING),
        a_session(1, SessionPhase.FINISHED),
    ),
    rollouts=(
        a_rollout(3, RolloutPhase.PAUSED, DesiredRollout.PAUSED),
        a_rollout(2, RolloutPhase.RUNNING),
        a_rollout(1, RolloutPhase.ABORTED),
    ),
    alerts=(
        Object(fingerprint="ab12", full_name="cpu_high", state=AlertState.FIRING),
        Object(fingerprint="cd34", full_name="disk_high", state=AlertState.ACKNOWLEDGED),
        Object(fingerprint="ef56", full_name="gate_failed{gate=b a}", state=AlertState.RESOLVED),
    ),
)


def an_app(*, read_only: bool = False, armed: bool = True, engine: bool = False, past: bool = False) -> Object:
    return Object(
        newest=WORDS,
        standing=WriteAccess(read_only=read_only, armed=armed and not read_only),
        has_engine=engine,
        frozen_at=T0 if past else None,
        playback=Object(refusal="This is the past." if past else None),
        rights=Object(refusal=lambda needs, model=None: None),
    )


APP = an_app()


@pytest.mark.parametrize(
    "module",
    [
        console.verbs.line,
        console.verbs.view,
        console.runtime.clipboard,
        widgets.lines_pane,
        console.presentation.comparison,
        console.presentation.epochs,
        console.presentation.gates,
        console.presentation.phrases,
        console.presentation.resources,
        console.presentation.rollouts,
    ],
    ids=lambda module: module.__name__,
)
def test_the_examples_in_the_documentation_run(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("line", "name", "words"),
    [
        ("q", "quit", ()),
        ("  promote   spread 1.1.0 ", "promote", ("spread", "1.1.0")),
        ("promote spread 1.1.0 Production", "promote", ("spread", "1.1.0", "Production")),
        ("ack ab12", "acknowledge", ("ab12",)),
    ],
)
def test_a_line_is_read(line, name, words):
    call = parse(line)
    assert (call.verb.name, call.words) == (name, words)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "Type a command"),
        ("rolback spread", "did you mean :rollback?"),
        ("xyzzy", "Tab lists the commands"),
        ("rollback", "Usage: :rollback MODEL"),
        ("diff spread 1.0.0", "Usage: :diff MODEL VERSION VERSION"),
        ("quit now", "Usage: :quit"),
    ],
)
def test_a_wrong_line_is_answered_with_the_usage(line, said):
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        parse(line)


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("rollb", ("rollback ",)),
        ("canary spread 1.1.0 s", ("canary spread 1.1.0 shadow",)),
        ("abort ", ("abort ro-0003", "abort ro-0002")),
        ("hold ", ("hold ro-0002",)),
        ("resume ", ("resume s-0004", "resume s-0003", "resume ro-0003")),
        ("rollback ", ("rollback spread",)),
        ("undo ", ("undo spread",)),
        ("promote spread ", ("promote spread 1.1.0 ", "promote spread 0.9.0 ")),
        ("promote anomaly 2", ("promote anomaly 2.1.0 ",)),
        ("archive spread ", ("archive spread 1.1.0", "archive spread 1.0.0")),
        ("canary ", ("canary spread ",)),
        ("stop ", ("stop s-0003", "stop s-0002")),
        ("acknowledge ", ("acknowledge cpu_high", "acknowledge ab12")),
        ("promote spread 1.1.0 P", ("promote spread 1.1.0 Production",)),
        ("pause ", ("pause s-0002",)),
        ("theme bondx-d", ("theme bondx-dark",)),
        ("rollback spread ", ()),
        ("nonsense ", ()),
        ("promote unknown ", ()),
    ],
)
def test_completion_knows_the_words_of_each_place(line, lines):
    assert complete(line, APP) == lines


def test_every_possible_command_is_completed_from_nothing_and_can_be_read():
    offered = {line.strip() for line in complete("", APP)}
    assert {verb.name for verb in COMMANDS} - offered == {
        "approve",
        "arm",
        "cancel",
        "expire",
        "now",
        "playground",
        "release",
        "stop_tuning",
    }  # nothing is held back
    for line, verb in every_line(APP):
        assert parse(line).verb is verb


@pytest.mark.parametrize(
    ("app", "missing", "present"),
    [
        (an_app(engine=True), {"engine"}, {"disarm"}),
        (an_app(armed=False), {"disarm"}, {"arm", "promote"}),
        (an_app(read_only=True), {"arm", "promote", "pause", "start"}, {"diff", "past"}),
        (an_app(armed=False, past=True), {"arm"}, {"now"}),
    ],
    ids=["engine", "disarmed", "read-only", "past"],
)
def test_only_what_is_possible_now_is_offered(app, missing, present):
    offered = {line.strip() for line in complete("", app)}
    assert not missing & offered
    assert present <= offered
    assert {verb.name for _, verb in every_line(app)} <= offered


def test_two_sides_of_a_diff_are_different_versions():
    lines = [line for line, verb in every_line(APP) if verb.name == "diff" and "anomaly" in line]
    assert lines == ["diff anomaly 2.1.0 2.0.0", "diff anomaly 2.0.0 2.1.0"]


@pytest.mark.parametrize(
    ("standing", "may"),
    [(WriteAccess(), True), (WriteAccess(armed=False), False), (WriteAccess(read_only=True, armed=False), False)],
    ids=["armed", "disarmed", "read-only"],
)
def test_write_access_says_why_changes_are_refused(standing, may):
    assert (standing.refusal is None) is may


def test_read_only_write_access_is_never_armed():
    assert WriteAccess(read_only=True, armed=False).toggled().refusal


def test_no_key_is_bound_twice_and_multiplexers_keep_theirs():
    keys = [word for verb in EVERYWHERE if verb.key.keys for word in verb.key.keys.split(",")]
    assert len(keys) == len(set(keys))
    never = {"ctrl+a", "ctrl+b", "ctrl+d", "ctrl+k", "ctrl+z", "backspace"}
    assert not never & set(keys)
    assert not any(key.startswith("alt+") for key in keys)


def test_help_explains_every_key_that_works_everywhere():
    text = "\n".join(line.text for line in help_lines((), Keymap().key_of))
    assert all(verb.key.words in text for verb in EVERYWHERE)


@pytest.mark.parametrize("width", [4, 7, 10, 33, 80])
def test_wrapped_lines_fit_and_lose_no_word(width):
    line = Line((("reason  ", "muted"), ("too few rows in 日本語 the year of the dragon ", ""), ("x" * 40, "bad")))
    parts = wrap(line, width)
    assert all(part.width <= width for part in parts)
    assert "".join(part.text for part in parts).replace(" ", "") == line.text.replace(" ", "")
