"""Requests per second and latency of one-row predictions over HTTP, compared with bare servers and MLServer in one run.

    python benchmarks/bench_serving.py [--seconds 2] [--rounds 5] [--connections 1 8] [--peers PYTHON] [--folder DIR]

Prints one JSON object. Every server is a separate process, and so is the client; `load.py` describes the load
generators. The servers alternate within each round, so that all see the same machine. The best round of each server
counts; ratios are medians of the ratios within each round.

`bond_model`: the spread model in three dialects, compared with a bare ASGI application on the same uvicorn, uvloop and
httptools that parses the same body and answers a constant.
`same_trees`: one LightGBM model and one V2 request with the same bytes, sent to our server, to MLServer with its own
LightGBM runtime (`parallel_workers=0`), and to a simple ASGI application that calls `Booster.predict`.
`rpc`: the spread model over gRPC in both of its protocols, beside HTTP through a Python client too, since Python's gRPC
client takes more CPU than the server; it is left out where the extra `tf-serving` is not installed.
`anonymous_parses` is what a rollout between versions that read differently costs a request without a token, in
microseconds: its first reading, and the reading by the other version.
`booster_predict` is that call alone, in an otherwise idle process. Our server uses LightGBM's call for single rows, so
it can be faster than `Booster.predict`.
`make interop` installs MLServer; without it, the other servers are measured.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import load_rpc
import msgspec
import numpy as np
from load import OWN, WRK, Question, ask, generator, warm
from peers import add_peers_argument, has_peers

from core.actor import Actor, Origin
from core.clock import utc_now
from core.domains.bonds.data import PanelSettings, generate
from core.domains.catalogue import create
from core.domains.table.models.imported import imported_trees
from core.quality.gate import judge
from core.registry import Registry
from core.rollout.routing import RoutingTable
from core.serving.dialects.json_rows import JsonRows
from core.serving.scoring.warming import warm_scorer
from core.serving.signature import ServingSignature
from core.serving.stats import ServerStats
from core.serving.table import LoadedVersion, Routing
from core.settings.promotion import PromotionSettings
from core.state import Workspace

MODEL, TREES = "spread", "trees"
N_COLUMNS = 28
LIMIT_SECONDS = 60.0

Load = Callable[[], dict[str, float]]
"""Loads one server for some seconds."""

FLOOR = """
import sys, socket
import numpy as np, orjson, uvicorn
booster = None
if len(sys.argv) > 2:
    import lightgbm
    booster = lightgbm.Booster(model_file=sys.argv[2])

async def application(scope, receive, send):
    message = await receive()
    asked = orjson.loads(message["body"])
    answer = 173.5
    if booster is not None:
        cells = np.array(asked["inputs"][0]["data"], dtype=np.float64).reshape(asked["inputs"][0]["shape"])
        answer = float(booster.predict(cells, num_threads=1)[0])
    output = {"name": "prediction", "datatype": "FP64", "shape": [1], "data": [answer]}
    body = orjson.dumps({"model_name": "trees", "model_version": "1.0.0", "id": "1", "outputs": [output]})
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
uvicorn.Server(uvicorn.Config(application, loop="uvloop", http="httptools", lifespan="off", log_config=None,
                              access_log=False)).run(sockets=[listener])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds of load per server and round")
    parser.add_argument("--rounds", type=int, default=5, help="number of rounds")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--algorithm", default="lightgbm", help="algorithm of the served bond model")
    parser.add_argument("--load", choices=(WRK, OWN), default=generator(), help="load generator (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="working folder")
    add_peers_argument(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder, ExitStack() as servers:
        answer = measure(Path(folder), arguments, servers)
    print(json.dumps(answer, indent=2))


def measure(folder: Path, arguments: argparse.Namespace, servers: ExitStack) -> dict[str, Any]:
    workspace, row = prepare(folder, arguments.algorithm)
    trees = prepare_trees(workspace, folder)
    cells = np.random.default_rng(1).normal(size=N_COLUMNS).tolist()
    one_tensor = {"inputs": [{"name": "rows", "shape": [1, N_COLUMNS], "datatype": "FP64", "data": cells}]}
    ports = {name: free_port() for name in ("bondx", "rpc", "floor", "floor_booster", "mlserver")}
    has_rpc = find_spec("grpc") is not None
    rpc_flag = ["--grpc-port", str(ports["rpc"])] if has_rpc else []
    serve = [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "serve", "--listen"]
    script = folder / "floor.py"
    script.write_text(FLOOR)
    bare = [sys.executable, str(script)]
    servers.enter_context(running([*serve, f"127.0.0.1:{ports['bondx']}", *rpc_flag], ports["bondx"]))
    servers.enter_context(running([*bare, str(ports["floor"])], ports["floor"]))
    servers.enter_context(running([*bare, str(ports["floor_booster"]), str(trees)], ports["floor_booster"]))
    wait_until_ready(ports["bondx"], "/ready")
    rows = f"/api/v1/predict/{MODEL}", {"row": row}
    infer = f"/v2/models/{TREES}/infer", one_tensor
    bond_model = {
        "floor": Question(ports["floor"], *rows),
        "bondx_rows": Question(ports["bondx"], *rows),
        "bondx_tf_serving": Question(ports["bondx"], f"/v1/models/{MODEL}:predict", {"instances": [row]}),
        "bondx_open_inference": Question(ports["bondx"], f"/v2/models/{MODEL}/infer", {"inputs": tensors(row)}),
    }
    same_trees = {
        "floor_booster": Question(ports["floor_booster"], *infer),
        "bondx": Question(ports["bondx"], *infer),
    }
    if has_peers(arguments.peers, "MLServer"):
        servers.enter_context(mlserver(arguments.peers, trees, ports["mlserver"], folder / "mlserver"))
        same_trees["mlserver"] = Question(ports["mlserver"], *infer)
    agree(same_trees)
    answer: dict[str, Any] = {
        "model": MODEL,
        "algorithm": arguments.algorithm,
        "n_cores": os.cpu_count(),
        "load_by": arguments.load,
        "booster_predict": bare_predict(trees, cells),
        "anonymous_parses": anonymous_parses(workspace, row),
    }
    for n_connections in arguments.connections:

        def loads(asked: dict[str, Question], by: str, n_connections: int = n_connections) -> dict[str, Load]:
            return {
                name: partial(ask, question, n_connections, arguments.seconds, by) for name, question in asked.items()
            }

        figures = answer[f"connections_{n_connections}"] = {
            "bond_model": take_turns(loads(bond_model, arguments.load), arguments.rounds, "floor"),
            "same_trees": take_turns(loads(same_trees, arguments.load), arguments.rounds, "bondx"),
        }
        if has_rpc:
            http = loads({"http": bond_model["bondx_tf_serving"]}, OWN)
            rpc = {
                name: partial(load_rpc.ask, asked, n_connections, arguments.seconds)
                for name, asked in messages(ports["rpc"], row).items()
            }
            figures["rpc"] = take_turns(http | rpc, arguments.rounds, "http")
    answer["load_average"] = [round(load, 1) for load in os.getloadavg()]
    return answer


def take_turns(loads: dict[str, Load], n_rounds: int, reference: str) -> dict[str, dict[str, float]]:
    """Load each server once per round; return each server's best round, and its ratios to the reference."""
    rounds = [{name: load() for name, load in loads.items()} for _ in range(n_rounds)]
    best: dict[str, dict[str, float]] = {}
    for name in loads:
        best[name] = dict(max((turn[name] for turn in rounds), key=lambda figures: figures["rps"]))
        for figure in ("rps", "p50_ms", "p99_ms"):
            ratio = statistics.median(turn[name][figure] / turn[reference][figure] for turn in rounds)
            best[name][f"{figure}_to_{reference}"] = round(ratio, 3)
    return best


def bare_predict(trees: Path, cells: list[float]) -> dict[str, float]:
    """Time only `Booster.predict` on one row."""
    import lightgbm

    booster, row = lightgbm.Booster(model_file=trees), np.array([cells])
    durations = sorted(timed(lambda: booster.predict(row, num_threads=1)) for _ in range(5_000))
    return {
        "rps": round(len(durations) / sum(durations), 0),
        "p50_ms": round(statistics.median(durations) * 1e3, 4),
        "p99_ms": round(durations[int(0.99 * len(durations))] * 1e3, 4),
    }


def anonymous_parses(workspace: Workspace, row: dict[str, Any]) -> dict[str, float]:
    """Return how long one reading of a row takes, and the further reading by the other version of a rollout."""
    with Registry(workspace).opened(MODEL, "1.0.0") as folder:
        first, second = warm_scorer(folder), warm_scorer(folder)
    stats = ServerStats().of(MODEL, "1.0.0")
    looser = [msgspec.structs.replace(field, required=False) for field in second.signature.fields]
    second.signature = ServingSignature(looser, unit=second.signature.unit)
    stable, candidate = (
        LoadedVersion(MODEL, number, scorer, stats, loaded_at=utc_now(), seconds=0.0)
        for number, scorer in (("1.0.0", first), ("1.1.0", second))
    )
    table = RoutingTable(model=MODEL, stable="1.0.0", candidate="1.1.0", rollout_id="ro-0001", share=0.5)
    routing = Routing(table, {"1.0.0": stable, "1.1.0": candidate})
    dialect, content = JsonRows(), json.dumps({"row": row}).encode()
    assignment = routing.assign(None, "one")
    return {
        "first_us": microseconds(lambda: assignment.version.speech(dialect).read(content)),
        "other_us": microseconds(lambda: routing.comparing(assignment, dialect, content)),
    }


def microseconds(act: Callable[[], object], n: int = 2_000) -> float:
    """Return how long a call takes, the best of five batches."""
    return round(min(timeit.repeat(act, number=n, repeat=5)) / n * 1e6, 2)


def timed(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def agree(asked: dict[str, Question]) -> None:
    """Check that all servers answer the same number, so that the same work is compared."""
    answers = {name: json.loads(warm(question))["outputs"][0]["data"] for name, question in asked.items()}
    if len({round(float(np.ravel(data)[0]), 9) for data in answers.values()}) > 1:
        raise SystemExit(f"the servers give different answers: {answers}")


@contextmanager
def mlserver(python: Path, trees: Path, port: int, folder: Path) -> Iterator[None]:
    """Serve trees with MLServer and its LightGBM runtime, in one process, as intended for one core."""
    folder.mkdir()
    ours = {"host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    quiet = {"parallel_workers": 0, "debug": False, "use_structured_logging": False}
    (folder / "settings.json").write_text(json.dumps(ours | quiet))
    model = {"name": TREES, "implementation": "mlserver_lightgbm.LightGBMModel", "parameters": {"uri": str(trees)}}
    (folder / "model-settings.json").write_text(json.dumps(model))
    logging = {"version": 1, "root": {"level": "WARNING"}, "loggers": {"uvicorn": {"level": "WARNING"}}}
    (folder / "logging.json").write_text(json.dumps(logging))
    command = [str(python.absolute().parent / "mlserver"), "start", str(folder)]
    with running(command, port):
        wait_until_ready(port, f"/v2/models/{TREES}/ready")
        yield


def prepare(folder: Path, algorithm: str) -> tuple[Workspace, dict[str, Any]]:
    """Train and promote a bond model; return the workspace and a row for requests."""
    workspace = Workspace.create(folder / "workspace", settings_text="{}\n")
    model = create(MODEL, algorithm=algorithm)
    panel = generate(PanelSettings(n_rows=1_000, seed=7))
    model.update(panel, seed=7)
    model.save(folder / "trained")
    put_live(workspace, MODEL, folder / "trained")
    registry = Registry(workspace)
    signature = warm_scorer(registry.load_path(MODEL, "1.0.0")).signature
    table = panel.bonds[[field.name for field in signature.fields]].dropna().head(1)
    return workspace, json.loads(table.to_json(orient="records", double_precision=15))[0]


def prepare_trees(workspace: Workspace, folder: Path) -> Path:
    """Train trees with plain LightGBM, promote them, and return the file for the other servers."""
    import lightgbm

    table = np.random.default_rng(0).normal(size=(2_000, N_COLUMNS))
    data = lightgbm.Dataset(table, label=table[:, 0] + table[:, 1] ** 2, params={"verbosity": -1})
    settings = {"num_leaves": 15, "verbosity": -1, "num_threads": 1}
    trees = folder / "trees.txt"
    lightgbm.train(settings, data, 80).save_model(str(trees))
    imported_trees(trees.read_text()).save(folder / "imported")
    put_live(workspace, TREES, folder / "imported")
    return trees


def put_live(workspace: Workspace, model: str, folder: Path) -> None:
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    operator = Actor("bench", "localhost", Origin.COMMAND_LINE)
    gates = (judge("coverage", 99.0, ">=", 90.0, unit="%"),)
    version = registry.register(
        model, folder, metrics={"attainment": 0.9}, lineage={"seed": 7}, gates=gates, actor=operator
    )
    for _ in range(2):
        registry.apply(registry.plan_promotion(model, version.version), actor=operator)


def tensors(row: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = {bool: "BOOL", str: "BYTES", int: "INT64", float: "FP64"}
    return [
        {"name": name, "shape": [1], "datatype": kinds[type(value)], "data": [value]} for name, value in row.items()
    ]


def messages(port: int, row: dict[str, Any]) -> dict[str, load_rpc.Asked]:
    """Return the row as a message of each protocol over gRPC."""
    from core.client.tf_messages import PredictRequest
    from core.client.tf_tensors import guessed_type, to_tensor
    from core.serving.rpc.inference_messages import InferRequest

    predict, infer = PredictRequest(), InferRequest(model_name=MODEL)
    predict.model_spec.name = MODEL
    places = {"BOOL": "bool_contents", "BYTES": "bytes_contents", "INT64": "int64_contents", "FP64": "fp64_contents"}
    for tensor in tensors(row):
        name, data = tensor["name"], tensor["data"]
        predict.inputs[name].CopyFrom(to_tensor(name, data, guessed_type(name, data), [1]))
        added = infer.inputs.add(name=name, datatype=tensor["datatype"], shape=[1])
        given = [value.encode() if isinstance(value, str) else value for value in data]
        getattr(added.contents, places[tensor["datatype"]]).extend(given)
    methods = {
        "tf_serving": ("/tensorflow.serving.PredictionService/Predict", predict),
        "open_inference": ("/inference.GRPCInferenceService/ModelInfer", infer),
    }
    return {name: load_rpc.Asked(port, method, made.SerializeToString()) for name, (method, made) in methods.items()}


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


def wait_until_ready(port: int, path: str) -> None:
    def ready() -> bool:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            return b" 200 " in connection.recv(4096)

    within(LIMIT_SECONDS, ready)


def within(seconds: float, reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            raise SystemExit("a server did not start in time")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
