"""A policy that cannot be used: what needs it fails, what does not names it, and a server raises the alert."""

import functools

import pytest

from console.cli.main import main
from core.alerts import Alerts
from core.serving.loading import Loader
from core.serving.stats import ServerStats
from tests.waiting import until


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
