import gc
import subprocess
import sys

import pytest

from console.runtime import collector
from tests.processes import unmeasured
from tests.waiting import PATIENCE_SECONDS

# What a first frame can do without: the YAML parser, databases, dialogs, the command line, and all that trains.
NOT_FOR_A_FIRST_FRAME = (
    *("yaml", "tinydb", "orjson", "sqlite3", "psutil", "hashlib", "json", "cryptography"),
    *("numpy", "pandas", "scipy", "sklearn", "lightgbm", "pyarrow"),
    *("core.state.database", "core.registry.registry", "core.engine.engine", "core.telemetry", "core.rollout"),
    *("console.verbs.line", "console.app.changes", "console.dialogs.text", "console.screens.registry"),
)


def test_nothing_is_imported_that_the_first_frame_does_not_need(tmp_path):
    code = f"""
import asyncio, sys
from pathlib import Path
from textual.pilot import Pilot
from console.app.app import BondxApp
from core.settings import load_cached_settings
from core.state import Workspace

async def start():
    workspace = Workspace.create(Path({str(tmp_path / "home")!r}), settings_text="console: {{}}\\n")
    cached_in = workspace.cache_dir / "settings.json"
    if not cached_in.exists():
        load_cached_settings(workspace.settings_file, cached_in=cached_in)
        return
    app = BondxApp(workspace, load_cached_settings(workspace.settings_file, cached_in=cached_in), embed=False)
    is_out = asyncio.Event()
    app._first_frame_is_out = is_out.set
    Pilot._wait_for_screen.__defaults__ = ({PATIENCE_SECONDS},)
    async with app.run_test(size=(120, 40)):
        await is_out.wait()
        assert app.shown_screen() is not None
        print("loaded:", *[name for name in {NOT_FOR_A_FIRST_FRAME!r} if name in sys.modules])

asyncio.run(start())
"""
    for _ in range(2):  # the first one leaves the parsed settings behind
        ran = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_SECONDS, env=unmeasured()
        )
        assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "loaded:"


@pytest.mark.parametrize("package", ["core.rollout", "core.registry", "core.alerts", "core.engine", "core.state"])
def test_importing_a_package_loads_only_the_requested_names(package):
    heavy = ("numpy", "pandas", "scipy", "sqlite3", "cryptography", "tinydb", "yaml")
    code = f"import sys, {package}; print('loaded:', *[name for name in {heavy!r} if name in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
        env=unmeasured(),
    )
    assert ran.stdout.strip() == "loaded:"


def test_every_name_of_the_lazy_packages_exists():
    import core.rollout

    assert all(hasattr(core.rollout, name) for name in core.rollout.__all__)
    assert core.rollout.__all__ == sorted(core.rollout.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        core.rollout.nonsense  # noqa: B018


def test_nothing_is_collected_until_start_up_is_over():
    frozen = gc.get_freeze_count()
    try:
        with collector.paused():
            assert not gc.isenabled()
            collector.resume()
            assert gc.isenabled()
            assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()


def test_the_collector_runs_again_when_start_up_fails():
    with pytest.raises(ValueError, match="no terminal"), collector.paused():
        raise ValueError("no terminal")
    assert gc.isenabled()
    frozen = gc.get_freeze_count()
    collector.resume()  # nothing was paused: nothing is left out
    assert gc.get_freeze_count() == frozen
