"""Where one workspace ends: versions, live models, predictions a second, consoles, each raised until something waits.

    python benchmarks/bench_knee.py [--what versions|models|predictions|consoles]... [--folder DIR] [--json]

`versions` fills workspaces with versions of 50 models, and asks for what an operator waits for. `models` serves as many
live models, each another small LightGBM model, and asks them in turn. `predictions` loads a server of one bond model
with connections that each send the next row as soon as they have an answer, in one process and in one for each core,
beside a bare ASGI application that answers a constant; the client takes a core of its own. `consoles` attaches consoles
to one engine, and presses keys in the last one.

Each table ends with its knee. Of waits that is the largest load at which the wait is at most twice the wait at the
smallest load; of rates it is the smallest load that reaches 95 % of the highest rate.
With --folder, filled workspaces are kept, and used again by the next run.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from bench_scale import filled, filling
from bench_serving import FLOOR, MODEL, free_port, prepare, put_live, running, wait_until_ready
from load import OWN, Question, ask
from scale_figures import BONDX, Figures, engine, first_paint, keys, promotion, space, status, watched_consoles

VERSIONS = (1_000, 3_000, 10_000, 30_000)
MODELS = (1, 10, 50, 200)
CONNECTIONS = (1, 2, 4, 8, 16, 32, 64)
CONSOLES = (1, 5, 10, 20, 40)
SECONDS = 3.0
WAITED, REACHED = 2.0, 0.95

Curve = dict[int, Figures]
"""Figures by the load: versions, models, connections or consoles."""


def versions(folder: Path) -> dict[str, Curve]:
    """Measure workspaces of growing registries."""
    found = {}
    for number in VERSIONS:
        workspace = filled(folder, f"versions={number}")
        found[number] = Figures()
        for measure in (first_paint, keys, status, promotion, engine, space):
            found[number] |= measure(workspace, "versions")
    return {"versions": found}


def models(folder: Path) -> dict[str, Curve]:
    """Measure servers of more and more live models."""
    found = {}
    for number in MODELS:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            workspace, row = prepare(Path(place), "lightgbm")
            names = [MODEL, *(f"model_{index:03d}" for index in range(number - 1))]
            for name in names[1:]:
                put_live(workspace, name, Path(place) / "trained")
            began = time.perf_counter()
            with _server(workspace.root, 0) as (port, pid):
                ready = time.perf_counter() - began
                asked = [Question(port, f"/api/v1/predict/{name}", {"row": row}) for name in names]
                took = sorted(_waits(asked))
                found[number] = {
                    "ready s": ready,
                    "median ms": statistics.median(took),
                    "p99 ms": took[int(0.99 * (len(took) - 1))],
                    "server PSS MiB": _tree_mib(pid),
                }
    return {"models": found}


def predictions(folder: Path) -> dict[str, Curve]:
    """Measure servers under more and more connections."""
    found: dict[str, Curve] = {}
    with tempfile.TemporaryDirectory(dir=folder) as place:
        workspace, row = prepare(Path(place), "lightgbm")
        script = Path(place) / "floor.py"
        script.write_text(FLOOR)
        one, many = {"row": row}, {"rows": [row] * 100}
        floor = free_port()
        with running([sys.executable, str(script), str(floor)], floor):
            found["rows, bare server"] = _loaded(Question(floor, "/", one))
        for processes in sorted({0, os.cpu_count() or 1}):
            with _server(workspace.root, processes) as (port, _):
                name = f"{max(1, processes)} process{'es' if processes > 1 else ''}"
                found[f"rows, {name}"] = _loaded(Question(port, f"/api/v1/predict/{MODEL}", one))
                found[f"requests of 100 rows, {name}"] = _loaded(Question(port, f"/api/v1/predict/{MODEL}", many))
    return found


def consoles(folder: Path) -> dict[str, Curve]:
    """Measure more and more consoles of one engine."""
    workspace = filled(folder, "versions=1000")
    return {"consoles": {number: watched_consoles(workspace, number) for number in CONSOLES}}


WHAT: dict[str, Callable[[Path], dict[str, Curve]]] = {
    "versions": versions,
    "models": models,
    "predictions": predictions,
    "consoles": consoles,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", action="append", choices=WHAT, help="repeat for more (default: all)")
    parser.add_argument("--folder", type=Path, help="keep the filled workspaces here, and use them again")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    arguments = parser.parse_args()
    with filling(arguments.folder) as folder:
        found: dict[str, Curve] = {}
        for name in arguments.what or WHAT:
            curves = WHAT[name](folder)
            found |= curves
            for title, curve in () if arguments.json else curves.items():
                report(title, curve)
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        print(f"load average {', '.join(f'{load:.1f}' for load in os.getloadavg())}")


def report(title: str, curve: Curve) -> None:
    """Print a table of a curve, and its knees."""
    loads = sorted(curve)
    print(f"\n{title:<36}" + "".join(f"{load:>10}" for load in loads) + f"{'knee':>10}", flush=True)
    for name in curve[loads[0]]:
        cells = "".join(f"{curve[load][name]:>10.1f}" if name in curve[load] else " " * 10 for load in loads)
        print(f"{name:<36}{cells}{knee(name, curve):>10}", flush=True)


def knee(name: str, curve: Curve) -> str:
    """Return the load from which on more of it only waits; "beyond" if none of these does that."""
    loads = [load for load in sorted(curve) if name in curve[load]]
    values = [curve[load][name] for load in loads]
    if name.endswith(" a second"):
        reached = next(load for load, value in zip(loads, values, strict=True) if value >= REACHED * max(values))
        return "beyond" if reached == loads[-1] else str(reached)
    if not name.endswith((" ms", " s")):
        return ""
    late = next((index for index, value in enumerate(values) if value > WAITED * values[0]), None)
    return "beyond" if late is None else str(loads[late - 1])


def _loaded(question: Question) -> Curve:
    curve = {}
    n_rows = len(question.body.get("rows", [None]))
    for connections in CONNECTIONS:
        took = ask(question, connections, SECONDS, OWN)
        curve[connections] = {
            "rows a second": took["rps"] * n_rows,
            "median ms": took["p50_ms"],
            "p99 ms": took["p99_ms"],
        }
    return curve


def _waits(asked: list[Question], *, n: int = 2_000) -> Iterator[float]:
    """Ask each in turn over one connection, and return the milliseconds of each answer."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", asked[0].port, timeout=60)
    for index in range(n + len(asked)):
        question = asked[index % len(asked)]
        began = time.perf_counter()
        connection.request("POST", question.path, question.content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{question.path} fails: {content.decode()}")
        if index >= len(asked):  # the first one of each may load it
            yield (time.perf_counter() - began) * 1000


@contextmanager
def _server(workspace: Path, processes: int) -> Iterator[tuple[int, int]]:
    """Run a server, and return its port and its process."""
    port = free_port()
    words = ["--workspace", str(workspace), "serve", "--listen", f"127.0.0.1:{port}", "--workers", str(processes)]
    before = set(psutil.Process().children())
    with running([BONDX, *words], port):
        wait_until_ready(port, "/ready")
        yield port, next(each.pid for each in psutil.Process().children() if each not in before)


def _tree_mib(pid: int) -> float:
    """Return the proportional memory of a process and its children."""
    whole = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(float(each.memory_full_info().pss) for each in whole) / 2**20


if __name__ == "__main__":
    main()
