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
from console.runtime.clipboard import MAX_BYTES, osc52
from console.verbs.catalog import COMMANDS, EVERYWHERE
from console.verbs.keys import help_lines
from console.verbs.line import complete, every_line, parse
from core.errors import UsageError
from core.training.session import SessionPhase
from core.view.snapshot import Snapshot
from widgets.line import Line
from widgets.lines_pane import wrap

WORDS = Snapshot(
    taken_at=datetime(2026, 3, 2, tzinfo=UTC),
    workspace=Path("desk-risk"),
    models=(Object(model="spread"), Object(model="anomaly")),
    versions=(
        Object(model="spread", version="1.1.0"),
        Object(model="spread", version="1.0.0"),
        Object(model="anomaly", version="2.0.0"),
    ),
    sessions=(Object(session_id="s-0002", observed=Object(phase=SessionPhase.RUNNING)),),
    rollouts=(Object(rollout_id="ro-0002", is_active=True), Object(rollout_id="ro-0001", is_active=False)),
    alerts=(Object(fingerprint="ab12"),),
)


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
        ("canary spread 1.0.0 s", ("canary spread 1.0.0 shadow",)),
        ("abort ", ("abort ro-0002",)),
        ("resume ", ("resume s-0002", "resume ro-0002")),
        ("rollback ", ("rollback spread", "rollback anomaly")),
        ("promote spread ", ("promote spread 1.1.0 ", "promote spread 1.0.0 ")),
        ("promote anomaly 2", ("promote anomaly 2.0.0 ",)),
        ("promote spread 1.1.0 P", ("promote spread 1.1.0 Production",)),
        ("pause ", ("pause s-0002",)),
        ("theme bondx-d", ("theme bondx-dark",)),
        ("rollback spread ", ()),
        ("nonsense ", ()),
        ("promote unknown ", ()),
    ],
)
def test_completion_knows_the_words_of_each_place(line, lines):
    assert complete(line, WORDS) == lines


def test_every_command_is_completed_from_nothing_and_can_be_read():
    assert len(complete("", WORDS)) == len(COMMANDS)
    for line, verb in every_line(WORDS):
        assert parse(line).verb is verb


def test_two_sides_of_a_diff_are_different_versions():
    lines = [line for line, verb in every_line(WORDS) if verb.name == "diff"]
    assert lines == ["diff spread 1.1.0 1.0.0", "diff spread 1.0.0 1.1.0"]


def test_inside_tmux_the_sequence_goes_plain_and_in_its_envelope():
    sequence = osc52("x", {"TMUX": "/tmp/tmux-0/default,1,0"})
    assert sequence.startswith("\x1b]52;c;eA==\x07")
    assert sequence.endswith("\x1bPtmux;\x1b\x1b]52;c;eA==\x07\x1b\\")


def test_a_text_too_long_for_terminals_is_not_sent():
    assert osc52("x" * (MAX_BYTES + 1), {}) is None


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
    text = "\n".join(line.text for line in help_lines(()))
    assert all(verb.key.words in text for verb in EVERYWHERE)


@pytest.mark.parametrize("width", [4, 7, 10, 33, 80])
def test_wrapped_lines_fit_and_lose_no_word(width):
    line = Line((("reason  ", "muted"), ("too few rows in 日本語 the year of the dragon ", ""), ("x" * 40, "bad")))
    parts = wrap(line, width)
    assert all(part.width <= width for part in parts)
    assert "".join(part.text for part in parts).replace(" ", "") == line.text.replace(" ", "")
