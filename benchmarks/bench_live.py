"""What counting served rows costs: predict throughput with and without it, time a row, bytes a minute.

    python benchmarks/bench_live.py [--seconds 3] [--rounds 5] [--connections 4] [--rows 1 64]
    python benchmarks/bench_live.py --explaining --seconds 61 --rounds 3 --rows 1

A model of 25 features (20 numbers, 5 categories) is trained with a profile and served by two servers of one process
each: one counts (`serving.live_counts`), one does not. They take turns within each round, with requests of one row and
of 64. `ratio` is the median, over the rounds, of the rate with counting to the rate without. The server's own CPU time
a request is beside it, since a busy machine lengthens it less. With `--explaining` both count, and one explains some
answered rows (`explanation.served_rows`), which it does once a minute. Prints one JSON object.

`--in-turns` compares within one process instead, in turns of a tenth of a second (`count_in_turns.py`), after a minute
in which the sampler learns the rate: for a machine that is busy with other things, where two processes differ by more
than counting costs.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import psutil
from bench_serving import free_port, wait_until_ready, within
from load import OWN, Question, ask, warm

from core.explain.deny_list import DenyList
from core.models.scoring.fields import Rows
from core.monitoring.data_profile import PROFILE_NAME, DataProfile
from core.monitoring.live import LiveSketch, ProfileIndex, SketchCounter, to_bytes
from core.monitoring.live.counting import Served
from core.registry import Registry
from core.state import Workspace
from core.training.own_data.served_explainer import ServedExplainer

SETTINGS = "policy: {promotion: {min_accuracy: 0}}\n"
NOWHERE = subprocess.DEVNULL
LEARNING_SECONDS = 60.0  # until the sampler knows the rate
MOST_TURN = 0.3
MODEL, N_NUMBERS, N_LEVELS = "live_bench", 20, 5
NUMBERS = [f"x{k}" for k in range(N_NUMBERS)]
LEVELS = [f"c{k}" for k in range(N_LEVELS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--in-turns", action="store_true", help="compare within one process")
    parser.add_argument("--explaining", action="store_true", help="measure the explaining of rows instead of counting")
    arguments = parser.parse_args()
    if arguments.in_turns:
        compare_in_turns(arguments)
        return
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        ports, processes = {}, {}
        first = trained(Path(folder) / "trained")
        for name, is_on in (("with", True), ("without", False)):
            workspace = Workspace(Path(shutil.copytree(first.root, Path(folder) / name)))
            counts = "true" if is_on or arguments.explaining else "false"
            explained = 20 if is_on and arguments.explaining else 0
            serving = f"serving: {{live_counts: {counts}, record_predictions: false}}\n"
            workspace.settings_file.write_text(f"{SETTINGS}{serving}explanation: {{served_rows: {explained}}}\n")
            ports[name] = free_port()
            processes[name] = servers.enter_context(
                subprocess.Popen(command(workspace, ports[name]), stdout=NOWHERE, stderr=NOWHERE)
            )
            servers.callback(processes[name].terminate)
            within(120, lambda port=ports[name]: is_up(port))
        answer: dict[str, Any] = {"features": N_NUMBERS + N_LEVELS}
        answer |= {"explaining": explaining(workspace)} if arguments.explaining else {"counting": counting(workspace)}
        for n_rows in arguments.rows:
            answer[f"rows_{n_rows}"] = compared(ports, processes, n_rows, arguments)
    answer["load_average"] = [round(load, 1) for load in os.getloadavg()]
    print(json.dumps(answer, indent=2))


def compare_in_turns(arguments: argparse.Namespace) -> None:
    """Load one server that counts in turns, and compare its turns."""
    answer: dict[str, Any] = {"features": N_NUMBERS + N_LEVELS}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        workspace = trained(Path(folder) / "trained")
        workspace.settings_file.write_text(SETTINGS + "serving: {record_predictions: false}\n")
        for n_rows in arguments.rows:
            turns, port = Path(folder) / f"turns_{n_rows}", free_port()
            serve = command(workspace, port)[3:]
            program = [sys.executable, str(Path(__file__).with_name("count_in_turns.py")), str(turns), *serve]
            process = servers.enter_context(subprocess.Popen(program, stdout=NOWHERE, stderr=NOWHERE))
            servers.callback(process.terminate)
            within(120, lambda port=port: is_up(port))
            rows = drawn(n_rows, 2).drop(columns="y").to_dict(orient="records")
            question = Question(port, f"/api/v1/predict/{MODEL}", {"rows": rows})
            warm(question)
            ask(question, arguments.connections, LEARNING_SECONDS, OWN)
            n_before = len(turns.read_text().splitlines())
            ask(question, arguments.connections, arguments.seconds * arguments.rounds * 2, OWN)
            process.terminate()
            process.wait()
            answer[f"rows_{n_rows}"] = by_turn(np.loadtxt(turns.read_text().splitlines()[n_before:]))
    answer["load_average"] = [round(load, 1) for load in os.getloadavg()]
    print(json.dumps(answer, indent=2))


def by_turn(turns: np.ndarray) -> dict[str, Any]:
    """Compare the turns with counting and without.

    The processor time of all other threads is taken for that of counting, so the ratio is an upper bound. The spread
    is that of ten equal parts of the time.

    Args:
        turns: By turn whether it counted, the requests, the seconds, the thread's and the process' processor time.
    """
    turns = turns[turns[:, 2] < MOST_TURN]  # a turn that ends late held a pause of the load
    parts = [compare_turns(part) for part in np.array_split(turns, 10)]
    found = compare_turns(turns)
    for name in ("ratio", "cpu_ratio"):
        found[f"{name}_spread"] = [min(part[name] for part in parts), max(part[name] for part in parts)]
    return {"turns": len(turns)} | found


def compare_turns(turns: np.ndarray) -> dict[str, Any]:
    """Compare the turns of some time."""
    counted, others = (turns[turns[:, 0] == is_counted].sum(axis=0) for is_counted in (1, 0))
    elsewhere = float((turns[:, 4] - turns[:, 3]).sum())
    rates = counted[1] / counted[2], others[1] / others[2]
    cpu = (counted[3] + elsewhere) / counted[1] * 1e6, others[3] / others[1] * 1e6
    return {
        "rps_with": round(rates[0]),
        "rps_without": round(rates[1]),
        "ratio": round(rates[0] / rates[1], 3),
        "cpu_us_with": round(cpu[0], 1),
        "cpu_us_without": round(cpu[1], 1),
        "cpu_ratio": round(cpu[0] / cpu[1], 3),
        "cpu_ratio_of_answering": round(counted[3] / counted[1] / (others[3] / others[1]), 3),
    }


def drawn(n: int, seed: int) -> pd.DataFrame:
    """Draw rows."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({name: rng.normal(size=n) for name in NUMBERS})
    for name in LEVELS:
        frame[name] = rng.choice(list("ABCDEFGH"), n)
    return frame.assign(y=frame["x0"] + (frame["c0"] == "A") + rng.normal(0, 0.3, n))


def trained(home: Path) -> Workspace:
    """Train a model with a profile, and put it live."""
    workspace = Workspace.create(home, settings_text=SETTINGS)
    data = home / "data.csv"
    drawn(3_000, 1).to_csv(data, index=False)
    run = [sys.executable, "-m", "console.mlops.cli"]
    where = ["--workspace", str(home), "--model", MODEL]
    train = [*run, "train", *where, "--data", str(data), "--target", "y"]
    subprocess.run(train, check=True, stdout=subprocess.DEVNULL)
    for stage in ("Staging", "Production"):
        promote = [*run, "promote", *where, "--version", "1.0.0", "--stage", stage, "--reason", "benchmark", "--yes"]
        subprocess.run(promote, check=True, stdout=subprocess.DEVNULL)
    return workspace


def command(workspace: Workspace, port: int) -> list[str]:
    return [
        sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "serve", "--listen",
        f"127.0.0.1:{port}",
    ]  # fmt: skip


def is_up(port: int) -> bool:
    try:
        wait_until_ready(port, f"/v2/models/{MODEL}/ready")
    except OSError:
        return False
    return True


def compared(
    ports: dict[str, int], processes: "dict[str, subprocess.Popen[bytes]]", n_rows: int, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Load both servers in turn."""
    rows = drawn(n_rows, 2).drop(columns="y").to_dict(orient="records")
    asked = {name: Question(port, f"/api/v1/predict/{MODEL}", {"rows": rows}) for name, port in ports.items()}
    for question in asked.values():
        warm(question)
    rates: dict[str, list[float]] = {name: [] for name in asked}
    busy: dict[str, list[float]] = {name: [] for name in asked}
    for number in range(arguments.rounds):
        for name in sorted(asked, reverse=bool(number % 2)):
            before = cpu_seconds(processes[name])
            figures = ask(asked[name], arguments.connections, arguments.seconds, OWN)
            rates[name].append(figures["rps"])
            busy[name].append((cpu_seconds(processes[name]) - before) / (figures["rps"] * arguments.seconds) * 1e6)
    pairs = list(zip(rates["with"], rates["without"], strict=True))
    cpu = list(zip(busy["with"], busy["without"], strict=True))
    return {
        "rps_with": round(max(rates["with"])),
        "rps_without": round(max(rates["without"])),
        "ratio": round(statistics.median(a / b for a, b in pairs), 3),
        "cpu_us_with": round(statistics.median(busy["with"]), 1),
        "cpu_us_without": round(statistics.median(busy["without"]), 1),
        "cpu_ratio": round(statistics.median(a / b for a, b in cpu), 3),
    }


def cpu_seconds(process: "subprocess.Popen[bytes]") -> float:
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system


def counting(workspace: Workspace) -> dict[str, float]:
    """Time the counting of single rows, and measure a minute of them."""
    with Registry(workspace).opened(MODEL, "1.0.0") as folder:
        index = ProfileIndex(DataProfile.from_bytes((folder / PROFILE_NAME).read_bytes(), MODEL))
    counter = SketchCounter(index, numbers=NUMBERS, texts=LEVELS)
    frame = drawn(10_000, 3)
    numbers, texts = frame[NUMBERS].to_numpy(), list(zip(*(frame[name] for name in LEVELS), strict=True))
    served = [Served(Rows(numbers[at : at + 1], (texts[at],)), [float(numbers[at, 0])]) for at in range(len(frame))]
    begin = time.process_time()
    for start in range(0, len(served), 1_000):
        counter.count(served[start : start + 1_000])
    took = time.process_time() - begin
    found: dict[str, float] = {"us_a_row": round(took / len(served) * 1e6, 2)}
    for n in (10, 100, 1_000, 10_000):
        sketch = LiveSketch().merge(counter.count(served[:n]))
        found[f"kib_a_minute_of_{n}_rows"] = round(len(to_bytes(sketch)) / 1024, 2)
    return found


def explaining(workspace: Workspace) -> dict[str, float]:
    """Time the explaining of a sample of 20 rows, and measure what is kept of it."""
    begin = time.process_time()
    explainer = ServedExplainer(workspace, MODEL, "1.0.0")
    loading, times = time.process_time() - begin, []
    for seed in range(20):
        rows = drawn(20, seed).drop(columns="y")
        begin = time.process_time()
        content = explainer.sketch(rows, 1_000, DenyList()).to_bytes()
        times.append(time.process_time() - begin)
    return {
        "loading_ms": round(loading * 1e3),
        "ms_a_sample": round(statistics.median(times) * 1e3, 1),
        "bytes_a_sample": len(content),
    }


if __name__ == "__main__":
    main()
