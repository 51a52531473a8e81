"""A workspace of years: keys, memory, CPU and waits on filled workspaces, beside an empty one in the same run.

    python benchmarks/bench_scale.py [--fill epochs=36000]... [--figure keys]... [--folder DIR]

Without --fill, every fill of the goals runs, each in a workspace of its own: 10,000 versions of 50 models, 5,000 runs,
one run of 1,000,000 points, one session of 36,000 epochs, the reports of 36,000 epochs, 100,000 audit records and 2,000
alerts. `--fill runs=5000,audit=100000` puts several into one workspace. Fills write through the product's own stores,
and `bondx doctor` examines the result. With --folder, filled workspaces are kept, and used again by the next run.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scale_figures import FIGURES, Figures
from scale_fills import FILLS

import sample_configs
from core.maintenance.doctor import examine
from core.state import Workspace

GOALS = (
    "versions=10000",
    "runs=5000",
    "points=1000000",
    "epochs=36000",
    "reports=36000",
    "audit=100000",
    "alerts=2000",
)
USUAL = ("first-paint", "keys", "status", "metrics", "engine", "promotion", "verify", "space")
EMPTY = "empty"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--fill",
        action="append",
        metavar="NAME=N[,NAME=N]",
        help=f"records of one workspace, of {', '.join(FILLS)}; repeat for more workspaces",
    )
    parser.add_argument(
        "--figure",
        action="append",
        choices=FIGURES,
        help=f"repeat for more (default: {', '.join(USUAL)}; `consoles` and `training` open twenty)",
    )
    parser.add_argument("--folder", type=Path, help="keep the filled workspaces here, and use them again")
    parser.add_argument("--fill-only", action="store_true", help="measure nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    arguments = parser.parse_args()
    with filling(arguments.folder) as folder:
        places = {fill: filled(folder, fill) for fill in (EMPTY, *(arguments.fill or GOALS))}
        if not arguments.fill_only:
            found = {fill: measured(place, fill, arguments.figure or USUAL) for fill, place in places.items()}
            print(json.dumps(found, indent=2)) if arguments.json else report(found)


@contextmanager
def filling(kept: Path | None) -> Iterator[Path]:
    """Return the folder of the filled workspaces; processes find compiled modules in it, as when installed."""
    with tempfile.TemporaryDirectory() as temporary:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(temporary) / "bytecode")
        folder = kept or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        yield folder


def filled(folder: Path, fill: str) -> Path:
    """Return the workspace of a fill; make it, and examine it, unless it was kept."""
    place = folder / fill.replace(",", "+")
    if (done := place / "filled").exists():
        return place
    workspace = Workspace.create(place, settings_text=sample_configs.template_text())
    for part in fill.split(",") if fill != EMPTY else ():
        name, _, number = part.partition("=")
        if name not in FILLS or not number.isdigit():
            raise SystemExit(f"--fill {part}: must be NAME=N, with a name of {', '.join(FILLS)}.")
        begin = time.perf_counter()
        FILLS[name](workspace, int(number))
        print(f"filled {part} in {time.perf_counter() - begin:.1f} s", flush=True)
    if findings := examine(workspace):
        raise SystemExit(f"{fill} is damaged: {findings[0]}")
    done.touch()
    return place


def measured(workspace: Path, fill: str, names: list[str]) -> Figures:
    """Measure a workspace; a figure that fails is named, and the others are still measured."""
    screen, found = fill.partition("=")[0], Figures()
    for name in names:
        try:
            found |= FIGURES[name](workspace, screen)
        except (TimeoutError, OSError) as error:
            print(f"{fill}: {name} failed: {str(error)[:200]}", flush=True)
    return found


def report(found: dict[str, Figures]) -> None:
    """Print the figures of each fill beside those of the empty workspace."""
    empty = found[EMPTY]
    for fill, figures in found.items():
        if fill == EMPTY and len(found) > 1:
            continue
        print(f"\n{fill:<36}{EMPTY:>12}{'filled':>12}{'ratio':>9}")
        for name, value in figures.items():
            base = empty.get(name)
            ratio = f"{value / base:>9.2f}" if base else ""
            print(f"{name:<36}{'' if base is None else f'{base:.1f}':>12}{value:>12.1f}{ratio}")
    print(f"\nload average {', '.join(f'{load:.1f}' for load in os.getloadavg())}")


if __name__ == "__main__":
    main()
