"""What tests of several packages of core share."""

import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

    from litestar.testing import TestClient

    from core.actor import Actor
    from core.state import Workspace
    from tests.clusters import Cluster

HIDDEN_LIBRARY = """
import ctypes
load = ctypes.cdll.LoadLibrary
def refuse(name):
    if "lightgbm" in str(name):
        raise OSError("libgomp.so.1: cannot open shared object file: No such file or directory")
    return load(name)
ctypes.cdll.LoadLibrary = refuse
"""


@pytest.fixture
def at_start_of_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have every Python process that is started from now on run some code first."""

    def run(code: str) -> None:
        folder = tmp_path / "site"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(code)
        inherited = os.environ.get("PYTHONPATH")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), inherited))))

    return run


@pytest.fixture
def without_libgomp(at_start_of_children: Callable[[str], None]) -> None:
    """Have processes started from now on fail to load LightGBM as they do where the system lacks libgomp."""
    at_start_of_children(HIDDEN_LIBRARY)


@pytest.fixture
def without_lightgbm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this very process fail to import LightGBM."""
    monkeypatch.setitem(sys.modules, "lightgbm", None)


@pytest.fixture
def api(workspace: "Workspace", ana: "Actor") -> "Iterator[TestClient]":
    """Return a client of the control API of a workspace, with the token of an administrator."""
    from litestar.testing import TestClient

    from core.serving.access import Role, Tokens
    from core.serving.authenticator import Authenticator
    from core.serving.control.application import control_application
    from core.serving.limits import ServingLimits
    from core.serving.recording import PredictionRecorder
    from core.serving.stats import ServerStats
    from core.serving.table import ServingTable

    recorder = PredictionRecorder(workspace, ServerStats())
    table = ServingTable()
    application = control_application(workspace, Authenticator(workspace), recorder, lambda: table, ServingLimits())
    _, secret = Tokens(workspace).create("robot", Role.ADMIN, actor=ana)
    with TestClient(application) as client:
        client.headers["authorization"] = f"Bearer {secret}"
        yield client
    recorder.close()


@pytest.fixture(scope="session")
def works(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[ModuleType]":
    """The module `bondx_test_works`, which workers can import, too."""
    folder = tmp_path_factory.mktemp("works")
    shutil.copy(Path(__file__).parent / "executors" / "works.py", folder / "bondx_test_works.py")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder), before)))
    sys.path.insert(0, str(folder))
    import bondx_test_works

    yield bondx_test_works
    sys.path.remove(str(folder))
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="module")
def cluster(works: "ModuleType") -> "Iterator[Cluster]":
    """A cluster of two workers, which can import the works."""
    from tests.clusters import Cluster

    found = Cluster("--workers", "2")
    yield found
    found.end()


@pytest.fixture(scope="module")
def collected_connections() -> Iterator[None]:
    """Collect what Dask left of connections that failed while its warnings are still expected, not in a later test."""
    yield
    gc.collect()


@pytest.fixture
def patient_connections(monkeypatch: pytest.MonkeyPatch, collected_connections: None) -> None:
    """Let a connection to a scheduler that is there take as long as it takes."""
    from core.executors import dask_connection
    from tests.waiting import PATIENCE_SECONDS

    monkeypatch.setattr(dask_connection, "CONNECT_SECONDS", PATIENCE_SECONDS)


@pytest.fixture
def marks(tmp_path: Path) -> Callable[[], list[tuple[int, int]]]:
    """The tasks that have begun, with the process ids of their workers, in the folder of `Killed`."""

    def found() -> list[tuple[int, int]]:
        names = (path.name.split("-") for path in tmp_path.iterdir() if "-" in path.name)
        return sorted((int(task), int(pid)) for task, pid in names)

    return found
