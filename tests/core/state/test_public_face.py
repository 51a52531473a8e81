import subprocess
import sys

import core.state
from tests.processes import unmeasured


def test_every_exported_name_exists_and_the_list_is_sorted():
    assert all(hasattr(core.state, name) for name in core.state.__all__)
    assert core.state.__all__ == sorted(core.state.__all__)


def test_importing_the_state_layer_loads_nothing_heavy():
    listing = "import core.state, sys; print(*sys.modules)"
    call = [sys.executable, "-c", listing]
    loaded = subprocess.run(call, env=unmeasured(), capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "pandas", "scipy", "sklearn", "textual", "rich", "sqlite3", "cryptography"} & set(loaded)
