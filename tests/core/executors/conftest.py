import os
import shutil
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def works(tmp_path_factory):
    """The module `bondx_test_works`, which workers can import, too."""
    folder = tmp_path_factory.mktemp("works")
    shutil.copy(Path(__file__).parent / "works.py", folder / "bondx_test_works.py")
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


@pytest.fixture
def marks(tmp_path):
    """The tasks that have begun, with the process ids of their workers, in the folder of `Killed`."""

    def found():
        names = (path.name.split("-") for path in tmp_path.iterdir() if "-" in path.name)
        return sorted((int(task), int(pid)) for task, pid in names)

    return found
