"""A training child over `trainer.memory_limit_mb`: the attempt ends with this reason, wherever it is shown."""

import json
import subprocess
import sys

import pytest

from core.alerts import Alerts
from core.training.child import OUT_OF_MEMORY_EXIT
from core.training.child_process import describe_death
from core.training.errors import LearningError, out_of_memory
from core.training.session_runner import _checked
from core.training.wire import EpochDone, Failed

REASON = "the training child needed more address space than trainer.memory_limit_mb 64 MiB"


def test_the_reason_is_shown_by_every_command(workspace):
    workspace.settings_file.write_text("trainer: {memory_limit_mb: 64, max_retries: 3}\nmax_epochs: 2\n")

    def bondx(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), *words],
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout

    code, told = bondx("run", "--headless")
    assert (code, REASON in told) == (1, True)
    for words in (("status",), ("session", "show", "s-0001"), ("session", "wait", "s-0001"), ("alerts", "list")):
        assert REASON in bondx(*words)[1], words
    assert json.loads(bondx("session", "show", "s-0001", "--json")[1])["observed"]["failure"].startswith(REASON)
    assert (
        json.loads(bondx("session", "show", "s-0001", "--json")[1])["observed"]["stop_reason"] == "failed"
    )  # not retried
    (alert,) = Alerts(workspace).all()
    assert REASON in alert.summary
    log = (workspace.logs_dir / "training.log").read_text()
    assert any("ERROR" in line and REASON in line for line in log.splitlines())


def test_memory_that_runs_out_within_an_epoch_has_the_same_reason_with_its_details():
    failed = Failed(kind="memory", reason="Unable to allocate 4.58 MiB for an array", details="")
    with pytest.raises(LearningError, match=rf"^{REASON} \(.*\): Unable to allocate 4\.58 MiB for an array$") as caught:
        _checked(failed, EpochDone, 64)
    assert caught.value.is_hopeless  # the limit is the same at the next attempt; the machine's memory may be free
    with pytest.raises(LearningError, match=r"^the training child ran out of memory: Unable") as caught:
        _checked(failed, EpochDone, 0)
    assert not caught.value.is_hopeless


def test_a_library_that_ends_the_child_names_the_limit_too():
    assert describe_death(OUT_OF_MEMORY_EXIT, 1 << 20, 512).startswith(out_of_memory(512))
    for code in (1, -6, -11):
        assert "(as a library may when trainer.memory_limit_mb 512 MiB is too little)" in describe_death(code, 1, 512)
        assert "memory_limit_mb" not in describe_death(code, 1)
    assert "kernel" in describe_death(-9, 1, 512)
