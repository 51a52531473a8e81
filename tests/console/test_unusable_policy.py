"""A policy that cannot be used: what needs it fails, what does not names it, and a server raises the alert."""

import functools

import pytest

from console.cli.main import main
from core.alerts import Alerts
from core.engine import Engine
from core.serving.loading import Loader
from core.serving.stats import ServerStats
from core.settings import SettingsError
from core.state import read_lease
from core.training.sessions import Sessions
from tests.waiting import until
from tools.demo import OPERATOR


@pytest.fixture
def answer(called, workspace, monkeypatch):
    monkeypatch.setenv("BONDX_HOME", str(workspace.root))
    (workspace.root / "policy.yaml").write_text("promotion: {min_accuracy: 7}\n")
    return functools.partial(called, main)


@pytest.mark.parametrize(
    "words",
    [("registry", "list"), ("registry", "show", "spread", "1.0.0"), ("rollout", "list"), ("runs", "list"), ("status",)],
    ids=" ".join,
)
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_a_command_that_reads_names_it_in_one_line(answer, words, form):
    code, out, err = answer(*words, *form)
    assert code in (0, 1)
    assert out
    assert len(err.splitlines()) == 1
    assert err.startswith("bondx: warning: the policy cannot be used, and what needs it fails: ")
    assert "min_accuracy" in err


@pytest.mark.parametrize(
    "words",
    [
        ("registry", "promote", "spread", "1.3.0", "--yes"),
        ("rollout", "start", "spread", "1.3.0"),
        ("registry", "policy", "spread"),
    ],
    ids=" ".join,
)
def test_a_command_that_needs_it_fails(answer, words):
    code, _, err = answer(*words)
    assert code == 2
    assert "min_accuracy" in err
    assert "warning" not in err


@pytest.mark.parametrize("words", [(), ("--no-session",), ("--api", "127.0.0.1:0")], ids=str)
def test_an_engine_without_a_screen_does_not_start_by_it(answer, workspace, words):
    n_sessions = len(Sessions(workspace).all())
    code, out, err = answer("run", "--headless", *words)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert f"{workspace.root / 'policy.yaml'}, line 1, column 13: policy.promotion.min_accuracy is 7" in err
    assert read_lease(workspace) is None
    assert len(Sessions(workspace).all()) == n_sessions


def test_no_engine_starts_by_it(answer, workspace):
    with pytest.raises(SettingsError, match="min_accuracy"):
        Engine(workspace, mode="embedded", actor=OPERATOR).start()
    assert read_lease(workspace) is None


def test_a_sound_policy_is_not_mentioned(answer, workspace):
    (workspace.root / "policy.yaml").write_text("promotion: {min_accuracy: 0.7}\n")
    assert answer("registry", "list")[2] == ""


def test_a_server_raises_the_alert_and_clears_it(answer, workspace):
    def rules():
        return {alert.rule for alert in Alerts(workspace).open()}

    loader = Loader(workspace, ServerStats(), lambda _table: None)
    loader.start()
    try:
        until(lambda: "policy_unusable" in rules(), "the alert")
        (workspace.root / "policy.yaml").unlink()
        until(lambda: "policy_unusable" not in rules(), "its end")
    finally:
        loader.stop()
