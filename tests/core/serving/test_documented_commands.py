"""Every curl command of docs/serving.md and docs/monitoring.md works as written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.registry import Registry
from core.serving.access import Role, Tokens
from core.settings.promotion import PromotionSettings

PAGES = [Path(__file__).parents[3] / "docs" / name for name in ("serving.md", "monitoring.md")]


def blocks():
    text = "".join(page.read_text() for page in PAGES)
    return [block for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "curl" in block]


@pytest.mark.skipif(not (Path("/usr/bin/curl").exists() and Path("/usr/bin/jq").exists()), reason="needs curl and jq")
def test_documented_commands_work(workspace, artifacts, running, put_live, register, ana, tmp_path):
    put_live(workspace, "liquidity_shock", artifacts / "liquidity_shock")
    put_live(workspace, "spread", artifacts / "spread")
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    other = register(workspace, "spread", artifacts / "spread_other")
    registry.apply(registry.plan_promotion("spread", other.version), actor=ana)
    _, token = Tokens(workspace).create("reader", Role.OPERATOR, actor=ana)
    script = "set -euo pipefail\n" + "\necho\n".join(blocks())
    assert script.count("curl") > 15
    with running(workspace) as server:
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "BONDX_HOME": str(workspace.root),
                "URL": f"http://127.0.0.1:{server.port}",
                "TOKEN": token,
            },
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr
    assert Registry(workspace).production("spread").version == "1.0.0"  # promoted, and rolled back
