"""What tests in several folders start from: a workspace, a clock, a child process."""

import atexit
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

# Before any numeric library is imported: one thread each, as the product's own processes have it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Children keep the modules that they compile, whatever this machine's habit: compiling was half of a command's time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# No test reads or writes what a person's own console remembers.
os.environ["XDG_CONFIG_HOME"] = os.path.join(tempfile.gettempdir(), f"bondx-no-settings-{os.getpid()}")

import pytest
from hypothesis import HealthCheck, settings

from core.state import Workspace
from core.telemetry.committer import Committer
from tests.clocks import HandClock
from tests.processes import Child, Turnstile
from tests.truth import LONGER, Promise, Truth, table
from tests.waiting import PATIENCE_SECONDS

PROMISES = pytest.StashKey[list[Promise]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the long form of simulations and crashes be asked for."""
    parser.addoption("--long", action="store_true", help="simulate, search and kill much more than by default")
    parser.addoption("--examples", type=int, default=50, help="so many examples of each generated input")


def pytest_configure(config: pytest.Config) -> None:
    """Let hypothesis take its time, and find new examples only where one looks for them; keep what is the person's."""
    config.stash[PROMISES] = []
    sys.dont_write_bytecode = False
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started behind `&`: children would ignore Ctrl-C, too
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # The list of recent workspaces belongs to the person who runs the tests; consoles under test keep their own.
    os.environ["XDG_DATA_HOME"] = data_home = tempfile.mkdtemp(prefix="bondx-tests-")
    atexit.register(shutil.rmtree, data_home, ignore_errors=True)
    examples = config.getoption("--examples")
    calm = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "max_examples": examples}
    settings.register_profile("short", derandomize=True, **calm)
    settings.register_profile("long", **calm)
    settings.load_profile("long" if config.getoption("--long") else "short")


TOLD_OF_A_FAILURE = 2_000
"""Characters of its end that are shown at once; the whole follows in the summary."""

# Files that take long begin first, so that at the end no processor waits for another one's last file.
SLOW_FIRST = ("terminal", "end_to_end", "core/engine", "console", "core/serving", "packaging")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the folders whose files take longest first; within one, all stays as it is.

    Raises:
        UsageError: The name of a test holds an address: it differs between processes, and xdist would run no test.
    """
    if addressed := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"give these tests ids without addresses: {', '.join(addressed)}")
    here = Path(__file__).parent
    ranks = {here / folder: rank for rank, folder in enumerate(SLOW_FIRST)}
    items.sort(key=lambda item: min((ranks[part] for part in item.path.parents if part in ranks), default=len(ranks)))


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Tell of a failure at once: a run that is ended before its summary has said what failed."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\n{report.when} of {report.nodeid} failed:\n{report.longreprtext[-TOLD_OF_A_FAILURE:]}", flush=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what the simulations found, where they were long."""
    if config.getoption("--long") and (promises := config.stash[PROMISES]):
        terminalreporter.section("simulated: how many, what was found, what is promised")
        for line in table(promises):
            terminalreporter.write_line(line)


@pytest.fixture
def called(capsys):
    """Run a command line within this process: its exit code, stdout and stderr."""

    def called(main: Callable[[list[str]], int], *arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return called


@pytest.fixture(scope="session")
def is_long(pytestconfig: pytest.Config) -> bool:
    """Whether the long form was asked for."""
    return bool(pytestconfig.getoption("--long"))


@pytest.fixture
def truth(request: pytest.FixtureRequest, is_long: bool) -> Truth:
    """Judge what a simulation found; it is `truth.scale` times as long as the short form."""
    return Truth(request.node.name.removeprefix("test_"), LONGER if is_long else 1, request.config.stash[PROMISES])


@pytest.fixture(scope="session", autouse=True)
def limits_that_only_a_hang_passes() -> Iterator[None]:
    """What gives up on a slow disk or machine after some seconds of the clock is patient here, as the tests are.

    A test of such a limit sets one of its own.
    """
    patient = (PATIENCE_SECONDS,)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Committer.flush, "__defaults__", patient)
        patch.setattr(Committer.close, "__defaults__", patient)
        patch.setattr("core.telemetry.schema.BUSY_SECONDS", PATIENCE_SECONDS)
        patch.setattr("core.state.file_lock.LIMIT_SECONDS", PATIENCE_SECONDS)
        patch.setattr(import_module("core.tracking.environment"), "_GIT_SECONDS", PATIENCE_SECONDS)
        yield


@pytest.fixture
def settings_text() -> str:
    """What stands in the settings file of `workspace`; a folder or module that needs more overrides it."""
    return "{}\n"


@pytest.fixture
def workspace(tmp_path: Path, settings_text: str) -> Workspace:
    """An empty workspace."""
    return Workspace.create(tmp_path / "workspace", settings_text=settings_text)


@pytest.fixture
def clock() -> HandClock:
    """A clock that stands still until a test moves it."""
    return HandClock()


@pytest.fixture
def fork() -> Iterator[Callable[[Callable[[], Any]], Child]]:
    """Start `work` in another process; whatever still runs at the end of the test is killed."""
    children: list[Child] = []

    def start(work: Callable[[], Any]) -> Child:
        children.append(Child(work))
        return children[-1]

    yield start
    for child in children:
        child.kill()


@pytest.fixture
def turnstile() -> Iterator[Callable[[], Turnstile]]:
    """Make turnstiles that hold processes up until the test opens them."""
    turnstiles: list[Turnstile] = []

    def make() -> Turnstile:
        turnstiles.append(Turnstile())
        return turnstiles[-1]

    yield make
    for each in turnstiles:
        each.close()
