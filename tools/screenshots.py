"""Screenshots of every screen and dialog at three sizes: `python -m tools.screenshots FOLDER`."""

import argparse
import asyncio
import re
import sys
import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from console.app.app import BondxApp
from core.clock import utc_now
from core.settings import load_settings
from core.state import Lease, Workspace
from tools.demo import OPERATOR, make_demo
from tools.demo_retraining import retrain_demo
from tools.demo_stress import stress_demo
from tools.demo_views import view_demo
from tools.scenes import SCENES

SIZES = ((80, 24), (120, 40), (160, 48))


async def picture(workspace: Workspace, now: datetime, size: tuple[int, int], keys: Iterable[str], theme: str) -> str:
    """Open the console at a size, press keys, and return the screen as SVG."""
    app = BondxApp(workspace, load_settings(workspace.settings_file), theme=theme, embed=False, clock=lambda: now)
    async with app.run_test(size=size) as pilot:
        await _settle(pilot.pause, app)
        for key in keys:
            await pilot.press(key)
        await _settle(pilot.pause, app)
        return app.export_screenshot(title="bondx")


def with_common_fonts(svg: str) -> str:
    """Name common fonts: cairo uses only the first family, and has no fallback for missing characters."""
    svg = svg.replace("Fira Code", "DejaVu Sans Mono")
    return re.sub(r"<text (?=[^<]*>[^<]*[\u2800-\u28ff])", '<text style="font-family: DejaVu Sans" ', svg)


async def _settle(pause, app: BondxApp) -> None:  # type: ignore[no-untyped-def]
    for _ in range(100):
        await pause(0.03)
        if app.snapshot.models and not app.workers:
            break
    await pause(0.1)


def main(arguments: list[str] | None = None) -> int:
    """Write the screenshots: as PNG if cairosvg is installed, else as SVG."""
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder for the screenshots")
    parser.add_argument("--theme", default="bondx-dark")
    parser.add_argument("--only", default="", help="only scenes whose name contains this text")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    try:
        from cairosvg import svg2png
    except (ImportError, OSError):  # not installed, or the system lacks libcairo
        svg2png = None
    now = utc_now()
    with tempfile.TemporaryDirectory() as scratch:
        workspace = make_demo(Path(scratch) / "desk-risk", now=now)
        stress_demo(workspace, now)
        retrain_demo(workspace, now)
        view_demo(workspace, now)
        lease = Lease.acquire(workspace, OPERATOR, "headless")  # as if an engine were running
        for name, keys in SCENES:
            for width, height in SIZES:
                if options.only not in name:
                    continue
                svg = asyncio.run(picture(workspace, now, (width, height), keys, options.theme))
                file = options.folder / f"{name}-{width}x{height}"
                if svg2png is None:
                    file.with_suffix(".svg").write_text(svg, encoding="utf-8")
                else:
                    svg = with_common_fonts(svg)
                    svg2png(bytestring=svg.encode(), write_to=str(file.with_suffix(".png")), output_width=width * 10)
                print(file)
        lease.release()
    return 0


if __name__ == "__main__":
    sys.exit(main())
