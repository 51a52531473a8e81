import os
import signal
import subprocess
import sys
import textwrap
import threading

import msgspec
import psutil
import pytest

from core.settings import ModelSettings, TrainingSettings
from core.training.child import NICENESS, OUT_OF_MEMORY_EXIT
from core.training.child_process import ChildProcess, describe_death
from core.training.errors import ChildDiedError
from core.training.wire import Failed, Finish, Prepare, Prepared
from tests.waiting import PATIENCE_SECONDS, until


def hear(child, wake):
    while (answer := child.hear()) is None:
        assert wake.wait(PATIENCE_SECONDS), "the child says nothing"
        wake.clear()
    return answer


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # also if it ends while this looks at it
        return True


@pytest.fixture
def wake():
    return threading.Event()


@pytest.fixture
def child(wake):
    child = ChildProcess(wake)
    yield child
    child.close()


def test_it_answers_and_serves_one_session_after_another(tmp_path, child, wake):
    child.ask(Finish())
    assert hear(child, wake) == Failed(kind="error", reason="no session is prepared", details="")
    settings = TrainingSettings(dataset_size=150, models={"spread": ModelSettings(algorithm="linear")})
    for name in ("one", "two"):
        child.ask(Prepare(settings=msgspec.to_builtins(settings), folder=str(tmp_path / name)))
        assert isinstance(hear(child, wake), Prepared)
    assert psutil.Process(child.pid).nice() >= NICENESS


def test_impossible_settings_are_refused_with_the_reason(tmp_path, child, wake):
    settings = TrainingSettings(models={"weather": ModelSettings()})
    child.ask(Prepare(settings=msgspec.to_builtins(settings), folder=str(tmp_path)))
    answer = hear(child, wake)
    assert (answer.kind, "weather" in answer.reason) == ("refused", True)


def test_a_killed_child_is_reported_and_does_not_hang_the_trainer(child, wake):
    child.kill()
    with pytest.raises(ChildDiedError, match=r"SIGKILL.*peak resident memory"):
        hear(child, wake)
    with pytest.raises(ChildDiedError):
        hear(child, wake)


def test_a_child_over_its_memory_limit_says_so(wake):
    child = ChildProcess(wake, memory_limit_mb=64)
    needed = r"^the training child needed more address space than trainer\.memory_limit_mb 64 MiB "
    limit = needed + r"\(raise it.*\); peak resident memory "
    with pytest.raises(ChildDiedError, match=limit):  # the libraries alone need more
        hear(child, wake)
    child.close()


def test_closing_ends_an_idle_child(child):
    pid = child.pid
    child.close()
    assert gone(pid)


def test_the_child_dies_with_a_killed_parent():
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent("""
                import threading, time
                from core.training.child_process import ChildProcess
                child = ChildProcess(threading.Event())
                print(child.pid, flush=True)
                time.sleep(600)
            """),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    pid = int(parent.stdout.readline())
    assert not gone(pid)
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    until(lambda: gone(pid))


@pytest.mark.parametrize(
    ("exit_code", "says"),
    [
        pytest.param(-9, "killed by SIGKILL", id="the kernel's way of taking memory back"),
        pytest.param(-11, "killed by SIGSEGV", id="a crash"),
        pytest.param(-250, "killed by signal 250", id="a signal without a name"),
        pytest.param(OUT_OF_MEMORY_EXIT, "ran out of memory", id="its own limit"),
        pytest.param(1, "exit code 1", id="an error at its start"),
    ],
)
def test_every_death_is_described_with_its_memory(exit_code, says):
    description = describe_death(exit_code, 300 << 20)
    assert says in description
    assert "300 MiB" in description


def test_a_child_that_cannot_load_its_libraries_names_the_fix(caplog, wake, at_start_of_children):
    at_start_of_children(
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'pandas':\n"
        "            raise ImportError('libz.so.1: cannot open shared object file: No such file or directory')\n"
        "sys.meta_path.insert(0, Missing())\n"
    )
    child = ChildProcess(wake)
    child.ask(Finish())
    answer = hear(child, wake)
    child.close()
    assert (answer.kind, "apt-get install zlib1g" in answer.reason) == ("environment", True)
    assert "pandas" in caplog.text
