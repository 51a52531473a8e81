"""Requests a second and latency of one-row predictions over HTTP, beside what bare servers reach in the same run.

    python benchmarks/bench_serving.py [--seconds 3] [--rounds 3] [--connections 1 8] [--folder DIR]

Prints one JSON object. Every server is a process of its own, and so is the client, which speaks HTTP over bare
sockets. The floors are bare ASGI applications on the same uvicorn, uvloop and httptools: one that answers a constant
after parsing the same body, and one that asks `Booster.predict` for an answer, as a server written in an afternoon
would. Servers take turns within each round, so that all see the same machine; the best round of each counts.
"""

import argparse
import json
import multiprocessing
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

MODEL = "spread"
LIMIT_SECONDS = 60.0

FLOOR = """
import sys, socket
import numpy as np, orjson, uvicorn
booster = None
if sys.argv[2] == "booster":
    import lightgbm
    booster = lightgbm.Booster(model_file=sys.argv[3])
    n_columns = booster.num_feature()

async def application(scope, receive, send):
    message = await receive()
    row = orjson.loads(message["body"])["row"]
    if booster is None:
        answer = 173.5
    else:
        cells = np.array([[value if isinstance(value, float) else 0.0 for value in row.values()][:n_columns]])
        answer = float(booster.predict(np.resize(cells, (1, n_columns)), num_threads=1)[0])
    body = orjson.dumps({"model": "spread", "version": "1.0.0", "request_id": "1", "prediction": answer})
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
uvicorn.Server(uvicorn.Config(application, loop="uvloop", http="httptools", lifespan="off", log_config=None,
                              access_log=False)).run(sockets=[listener])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to ask each server in each round")
    parser.add_argument("--rounds", type=int, default=3, help="how often each server has its turn")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--algorithm", default="lightgbm", help="of the model that is served")
    parser.add_argument("--folder", type=Path, help="where to work")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder, ExitStack() as servers:
        answer = measure(Path(folder), arguments, servers)
    print(json.dumps(answer, indent=2))


def measure(folder: Path, arguments: argparse.Namespace, servers: ExitStack) -> dict[str, Any]:
    root, rows, trees = prepare(folder, arguments.algorithm)
    row = rows[0]
    requests = {
        "rows": post(f"/api/v1/predict/{MODEL}", {"row": row}),
        "tf_serving": post(f"/v1/models/{MODEL}:predict", {"instances": [row]}),
        "open_inference": post(f"/v2/models/{MODEL}/infer", {"inputs": tensors(row)}),
    }
    serve = [sys.executable, "-m", "console.cli", "--workspace", str(root), "serve", "--listen"]
    script = folder / "floor.py"
    script.write_text(FLOOR)
    bare = [sys.executable, str(script)]
    ports = {name: free_port() for name in ("bondx", "floor", "floor_booster")}
    servers.enter_context(running([*serve, f"127.0.0.1:{ports['bondx']}"], ports["bondx"]))
    servers.enter_context(running([*bare, str(ports["floor"]), "constant"], ports["floor"]))
    servers.enter_context(running([*bare, str(ports["floor_booster"]), "booster", str(trees)], ports["floor_booster"]))
    wait_until_ready(ports["bondx"])
    plain = requests["rows"]
    asked = {
        "floor": (ports["floor"], plain),
        "floor_booster": (ports["floor_booster"], plain),
        **{f"bondx_{dialect}": (ports["bondx"], request) for dialect, request in requests.items()},
    }
    answer: dict[str, Any] = {"model": MODEL, "algorithm": arguments.algorithm, "n_cores": os.cpu_count()}
    for n_connections in arguments.connections:
        best: dict[str, dict[str, float]] = {}
        for _ in range(arguments.rounds):
            for name, (port, request) in asked.items():
                found = ask(port, request, n_connections, arguments.seconds)
                if name not in best or found["rps"] > best[name]["rps"]:
                    best[name] = found
        floor = best["floor"]["rps"]
        for figures in best.values():
            figures["share_of_floor"] = round(figures["rps"] / floor, 2)
        answer[f"connections_{n_connections}"] = best
    answer["load_average"] = [round(load, 1) for load in os.getloadavg()]
    return answer


def prepare(folder: Path, algorithm: str) -> tuple[Path, list[dict[str, Any]], Path]:
    """Train a model, put it live, and return the workspace, rows to ask for, and trees for the bare server."""
    import lightgbm
    import numpy as np

    from core.actor import Actor, Origin
    from core.data.bonds import PanelSettings, generate
    from core.models import create
    from core.quality.gate import judge
    from core.registry import Registry
    from core.serving.scoring.warming import warm_scorer
    from core.settings.promotion import PromotionSettings
    from core.state import Workspace

    workspace = Workspace.create(folder / "workspace", settings_text="{}\n")
    model = create(MODEL, algorithm=algorithm)
    panel = generate(PanelSettings(n_rows=1_000, seed=7))
    model.update(panel, seed=7)
    model.save(folder / "trained")
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    operator = Actor("bench", "localhost", Origin.COMMAND_LINE)
    gates = (judge("coverage", 99.0, ">=", 90.0, unit="%"),)
    version = registry.register(
        MODEL, folder / "trained", metrics={"attainment": 0.9}, lineage={"seed": 7}, gates=gates, actor=operator
    )
    for _ in range(2):
        registry.apply(registry.plan_promotion(MODEL, version.version), actor=operator)
    signature = warm_scorer(registry.load_path(MODEL, version.version)).signature
    table = panel.bonds[[field.name for field in signature.fields]].dropna().head(10)
    rows = json.loads(table.to_json(orient="records", double_precision=15))
    table = np.random.default_rng(0).normal(size=(2_000, 28))
    data = lightgbm.Dataset(table, label=table[:, 0] + table[:, 1] ** 2, params={"verbosity": -1})
    trees = folder / "floor.txt"
    lightgbm.train({"num_leaves": 15, "verbosity": -1, "num_threads": 1}, data, 80).save_model(str(trees))
    return workspace.root, rows, trees


def tensors(row: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = {bool: "BOOL", str: "BYTES", int: "INT64", float: "FP64"}
    return [
        {"name": name, "shape": [1], "datatype": kinds[type(value)], "data": [value]} for name, value in row.items()
    ]


def post(path: str, body: dict[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    )
    return f"{head}\r\n\r\n".encode() + content


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        within(LIMIT_SECONDS, lambda: connects(port) or process.poll() is not None)
        if process.poll() is not None:
            raise SystemExit(f"{command} ended with {process.returncode}")
        yield
    finally:
        process.terminate()
        process.wait()


def connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True


def wait_until_ready(port: int) -> None:
    def ready() -> bool:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return b" 200 " in connection.recv(4096)

    within(LIMIT_SECONDS, ready)


def within(seconds: float, reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            raise SystemExit("a server did not come up in time")
        time.sleep(0.05)


def ask(port: int, request: bytes, n_connections: int, seconds: float) -> dict[str, float]:
    """Ask one server for a while, each connection as soon as its answer is there; from a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        durations = pool.apply(client, (port, request, n_connections, seconds))
    ordered = sorted(durations)
    return {
        "rps": round(len(ordered) / seconds, 0),
        "p50_ms": round(statistics.median(ordered) * 1000, 3),
        "p99_ms": round(ordered[int(0.99 * len(ordered))] * 1000, 3),
    }


def client(port: int, request: bytes, n_connections: int, seconds: float) -> list[float]:
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(n_connections)]
    for connection in connections:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(20):  # until everything is warm
            connection.sendall(request)
            answer = b""
            while not is_whole(answer):
                answer += connection.recv(65536)
            if b" 200 " not in answer[:16]:
                raise SystemExit(f"not answered: {answer.decode()}")
    durations: list[float] = []
    clock, note = time.perf_counter, durations.append
    end = clock() + seconds
    if n_connections == 1:
        (connection,) = connections
        send, receive = connection.sendall, connection.recv
        while (begin := clock()) < end:
            send(request)
            answer = receive(65536)
            while not is_whole(answer):
                answer += receive(65536)
            note(clock() - begin)
        return durations
    begun: dict[socket.socket, float] = {}
    parts: dict[socket.socket, bytes] = dict.fromkeys(connections, b"")
    with selectors.EpollSelector() as selector:
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
            begun[connection] = clock()
            connection.sendall(request)
        while clock() < end:
            for key, _ in selector.select():
                connection = key.fileobj  # type: ignore[assignment]
                parts[connection] += connection.recv(65536)
                if not is_whole(parts[connection]):
                    continue
                parts[connection] = b""
                now = clock()
                note(now - begun[connection])
                begun[connection] = now
                connection.sendall(request)
    return durations


def is_whole(answer: bytes) -> bool:
    """Say whether an answer has come in to its last byte."""
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    length = answer.find(b"content-length: ") + 16
    return len(answer) >= head + 4 + int(answer[length : answer.find(b"\r", length)])


if __name__ == "__main__":
    main()
