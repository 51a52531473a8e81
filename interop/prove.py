"""Prove interoperability with MLServer, Triton's and KServe's clients, TensorFlow Serving's messages and MLflow.

    python interop/prove.py --peers PYTHON --tensorflow PYTHON --kserve PYTHON

`make interop` creates the environments and runs this script. Every printed line was proved in this run; the first
failure ends the script with exit code 1.
"""

import argparse
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd

from core.actor import Actor, Origin
from core.client import Client, RejectedError, UnknownModelError
from core.domains.catalogue import load_model
from core.interop.version_export import VersionFormat, export_version
from core.registry import ModelVersion, Registry
from core.settings import Settings
from core.settings.promotion import PromotionSettings
from core.state import Workspace
from core.training.own_data import TrainRequest, train_on_file

HERE = Path(__file__).resolve().parent
LIMIT_SECONDS = 900.0  # against hangs alone: a machine may be busy
ANA = Actor("ana", "localhost", Origin.COMMAND_LINE)
MODEL, IMPORTED = "rent", "from-mlflow"
VERSION_NUMBER = 1_000_000_000_000  # of 1.0.0
ROWS = [{"area": 50, "floor": 2, "age": "old"}, {"area": 90, "floor": 0, "age": "new"}]


def main() -> None:
    """Prove everything for which an environment is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, help="Python of an environment with MLServer, MLflow and this package")
    parser.add_argument("--kserve", type=Path, help="Python of an environment with KServe's SDK")
    parser.add_argument("--tensorflow", type=Path, help="Python of an environment with tensorflow-serving-api")
    arguments = parser.parse_args()
    # Processes start in other folders, so paths are absolute; a resolved path would leave the environment.
    peers, tensorflow, kserve = (
        path and path.absolute() for path in (arguments.peers, arguments.tensorflow, arguments.kserve)
    )
    with tempfile.TemporaryDirectory() as name, ExitStack() as processes:
        folder = Path(name)
        workspace, version = train(folder)
        prove_rpc({"triton": peers, "mlserver": peers, "kserve": kserve, "tensorflow": tensorflow}, workspace, folder)
        if peers:
            prove_v2(peers, workspace, version, folder, processes)
            prove_export(peers, workspace, version, folder, processes)
            prove_mlflow(peers, workspace, version, folder, processes)
        if kserve:
            prove_service(kserve, workspace, version, folder)
            prove_kserve(kserve, workspace, folder, processes)
        if tensorflow:
            prove_tensorflow(tensorflow, folder, processes)


def prove_v2(python: Path, workspace: Workspace, version: ModelVersion, folder: Path, processes: ExitStack) -> None:
    """Test MLServer's types with our server, and our client with MLServer; both serve the same model."""
    ours, mlserver = free_port(), free_port()
    serve = [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "serve"]
    server = processes.enter_context(running([*serve, "--listen", f"127.0.0.1:{ours}"], folder / "serve.log"))
    with Client(f"http://127.0.0.1:{ours}") as client:
        until(lambda: client.health(MODEL).ready, server, folder / "serve.log")
        expected = client.predict(MODEL, ROWS).values
    heard = ask(python, "v2_caller.py", f"http://127.0.0.1:{ours}", MODEL, json.dumps(ROWS))
    require(heard["id"] == "from-mlserver" and close(heard["values"], expected), heard)
    require(heard["inputs"] == ["age", "area", "floor"], heard)
    proved("MLServer's types and codecs read our server's metadata, health and answers over V2")

    deploy(folder / "mlserver", workspace, version, mlserver)
    script = python.parent / "mlserver"
    log = folder / "mlserver.log"
    peer = processes.enter_context(running([str(script), "start", str(folder / "mlserver")], log, cwd=HERE))
    with Client(f"http://127.0.0.1:{mlserver}", "v2") as client:
        until(lambda: client.health(MODEL).ready, peer, log)
        require(client.health().ready, "MLServer is not ready")
        answer = client.predict(MODEL, ROWS, request_id="to-mlserver")
        require(close(answer.values, expected), f"{answer.values}, not {expected}")
        require((answer.request_id, answer.version) == ("to-mlserver", version.version), answer)
        require([one.name for one in client.metadata(MODEL).inputs] == ["area", "floor", "age"], "metadata")
        require(client.predict(MODEL, ROWS, version=version.version).values == answer.values, "by version")
        refused(UnknownModelError, lambda: client.predict("nobody", ROWS))
        refused(RejectedError, lambda: client.predict(MODEL, {"area": "large", "floor": 1, "age": "old"}))
    proved("our client reads MLServer over V2: predictions, versions, metadata, health; with the numbers of our server")
    prove_triton(python, f"http://127.0.0.1:{ours}", f"http://127.0.0.1:{mlserver}")


def prove_export(python: Path, workspace: Workspace, version: ModelVersion, folder: Path, processes: ExitStack) -> None:
    """Let MLServer serve a version that was exported as ONNX, with nothing of this package in its process."""
    exported = folder / "exported"
    found = export_version(workspace, MODEL, version.version, exported, format=VersionFormat.KSERVE)
    served, port, log = exported / "models", free_port(), folder / "exported.log"
    heard = ask(python, "triton_config.py", str(served / MODEL / "config.pbtxt"))
    tensors = [
        [name, kind, [-1]] for name, kind in (("area", "TYPE_FP64"), ("floor", "TYPE_FP64"), ("age", "TYPE_STRING"))
    ]
    require((heard["name"], heard["backend"], heard["max_batch_size"]) == (MODEL, "onnxruntime", 0), heard)
    require(sorted(heard["inputs"]) == sorted(tensors), heard)
    require(heard["outputs"] == [["prediction", "TYPE_FP64", [-1]]], heard)
    proved("Triton's own messages read the exported config.pbtxt, with every input and output of the file")
    server = {"parallel_workers": 0, "host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "debug": False}
    (served / "settings.json").write_text(json.dumps(server | {"metrics_port": free_port()}))
    peer = processes.enter_context(running([str(python.parent / "mlserver"), "start", str(served)], log))
    model = load_model(Registry(workspace).load_path(MODEL, version.version))
    rows = [{"area": 20.0 + 3 * n, "floor": float(n % 7), "age": ("old", "new", "unseen")[n % 3]} for n in range(60)]
    expected = model.predict(pd.DataFrame(rows)).tolist()
    with Client(f"http://127.0.0.1:{port}", "v2") as client:
        until(lambda: client.health(MODEL).ready, peer, log)
        answer = client.predict(MODEL, rows)
        require(close(answer.values, expected), (answer.values, expected))
        require(answer.version == version.version, answer)
        refused(RejectedError, lambda: client.predict(MODEL, {"area": "large", "floor": 1.0, "age": "old"}))
        refused(RejectedError, lambda: client.predict(MODEL, {"area": 50.0, "age": "old"}))
    largest = max(abs(a - b) / abs(b) for a, b in zip(answer.values, expected, strict=True))
    proved(
        f"MLServer serves a version exported as ONNX, without our package: {len(rows)} answers are the version's own, "
        f"the largest difference {largest:.1g} of the answer (at the export {found.parity.largest:.1g})"
    )


def prove_service(python: Path, workspace: Workspace, version: ModelVersion, folder: Path) -> None:
    """Read the exported `InferenceService` with KServe's own types: nothing in it is unknown to them."""
    exported = folder / "service"
    export_version(workspace, MODEL, version.version, exported, format=VersionFormat.KSERVE)
    heard = ask(python, "kserve_service.py", str(exported / "inferenceservice.yaml"))
    require(heard == {"unknown": [], "n_known": 8}, heard)
    proved("KServe's own types read the exported InferenceService, and nothing of it is unknown to them")


def prove_triton(python: Path, ours: str, mlserver: str) -> None:
    """Ask our server and MLServer the same questions with Triton's client, and compare answer by answer."""
    rows = [{"area": 20 + 3 * n, "floor": n % 7, "age": ("old", "new")[n % 2]} for n in range(25)]
    own, peer = ask(python, "triton_caller.py", json.dumps(rows), MODEL, ours, mlserver)
    one = own["answers"]["bytes, one by one"]
    # A batch may differ from single rows in the last bit; bytes and JSON of one request never do.
    require(all(own["answers"][f"bytes{how}"] == own["answers"][f"json{how}"] for how in ("", ", one by one")), own)
    require(close(own["answers"]["bytes"], one), own["answers"])
    require(all(close(found, one) for found in peer["answers"].values()), (one, peer["answers"]))
    require((own["id"], own["shape"], own["datatype"]) == ("from-triton", [25], "FP64"), own)
    require({"binary_tensor_data", "classification", "model_repository"} <= set(own["extensions"]), own["extensions"])
    require([(each["name"], each["state"]) for each in own["repository"]] == [(MODEL, "READY")], own["repository"])
    unknown, partial = own["refused"]
    require("arena is not a tensor of the model; it takes area, floor, age" in unknown, own["refused"])
    require("is missing" in partial, own["refused"])
    proved(
        f"Triton's client, as bytes and as JSON, gets {len(rows)} answers from our server and MLServer for the same "
        "model, equal one by one; its id comes back beside a proxy's header"
    )


def prove_rpc(pythons: dict[str, Path | None], workspace: Workspace, folder: Path) -> None:
    """Ask our gRPC server with the clients of other projects."""
    port, rpc_port, log = free_port(), free_port(), folder / "rpc.log"
    serve = [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "serve"]
    serve += ["--listen", f"127.0.0.1:{port}", "--grpc-port", str(rpc_port)]
    with running(serve, log) as server, Client(f"http://127.0.0.1:{port}") as client:
        until(lambda: client.health(MODEL).ready, server, log)
        expected = client.predict(MODEL, ROWS).values
        for name, python in pythons.items():
            if python is None:
                continue
            heard = ask(python, "grpc_callers.py", name, f"127.0.0.1:{rpc_port}", MODEL, json.dumps(ROWS))
            require(heard["values"] == expected and heard.get("raw values", expected) == expected, (expected, heard))
            require(name == "tensorflow" or heard["id"] == f"from-{name}", heard)
            require(heard.get("inputs", ["age", "area", "floor"]) == ["age", "area", "floor"], heard)
            require(heard.get("repository", [[MODEL, "READY"]]) == [[MODEL, "READY"]], heard)
            require(heard.get("states", [[VERSION_NUMBER, "AVAILABLE"]]) == [[VERSION_NUMBER, "AVAILABLE"]], heard)
            proved(f"{name}'s own client gets the answers of HTTP, bit for bit, from our gRPC server")


def prove_kserve(python: Path, workspace: Workspace, folder: Path, processes: ExitStack) -> None:
    """Test KServe's own client with our server."""
    port, log = free_port(), folder / "kserve.log"
    serve = [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "serve"]
    server = processes.enter_context(running([*serve, "--listen", f"127.0.0.1:{port}"], log))
    with Client(f"http://127.0.0.1:{port}") as client:
        until(lambda: client.health(MODEL).ready, server, log)
        expected = client.predict(MODEL, ROWS).values
    heard = ask(python, "kserve_caller.py", f"http://127.0.0.1:{port}", MODEL, json.dumps(ROWS))
    require(heard.pop("id") == "from-kserve", heard)
    require(all(values == expected for values in heard.values()), (expected, heard))
    proved(f"KServe's client gets equal answers in every form: {', '.join(heard)}")


def prove_tensorflow(python: Path, folder: Path, processes: ExitStack) -> None:
    """Test our gRPC client, without TensorFlow, with TensorFlow Serving's official messages."""
    log = folder / "tensorflow.log"
    peer = processes.enter_context(running([str(python), str(HERE / "tf_peer.py")], log))
    until(lambda: any(line.isdecimal() for line in log.read_text().splitlines()), peer, log)
    port = next(line for line in log.read_text().splitlines() if line.isdecimal())
    rows = [{"area": row["area"], "age": row["age"]} for row in ROWS]
    expected = [700.0, 1110.0]
    with Client(f"grpc://127.0.0.1:{port}") as client:
        require(client.health(MODEL).ready, "not ready")
        for which in ({}, {"version": "3"}, {"label": "stable"}):
            answer = client.predict(MODEL, rows, **which)
            require(close(answer.values, expected) and answer.version == "3", answer)
        inputs = {one.name: (one.type, one.shape) for one in client.metadata(MODEL).inputs}
        require(inputs == {"area": ("DT_FLOAT", (-1, 1)), "age": ("DT_STRING", (-1, 1))}, inputs)
        require([(one.version, one.is_available) for one in client.versions(MODEL)] == [("3", True)], "versions")
        refused(UnknownModelError, lambda: client.predict("nobody", rows))
        refused(UnknownModelError, lambda: client.predict(MODEL, rows, version="4"))
    require("tensorflow" not in sys.modules, "TensorFlow was loaded")
    proved("our gRPC client, without TensorFlow in its process, agrees with tensorflow-serving-api's messages")


def prove_mlflow(python: Path, workspace: Workspace, version: ModelVersion, folder: Path, processes: ExitStack) -> None:
    """Test the export of a run to MLflow with a SQLite store, and the import of runs and models."""
    heard = ask(python, "mlflow_store.py", str(workspace.root), str(version.run_id), str(folder / "mlflow.db"))
    counts = {name: sum(run[name] for run in heard["arrived"]) for name in ("parameters", "tags", "points", "files")}
    require(all(counts.values()) and heard["arrived"][0]["versions"], heard)
    proved(
        "MLflow's client reads two of our runs back from SQLite with equal values: "
        f"{', '.join(f'{count} {name}' for name, count in counts.items())} (points are metrics with their steps), "
        "and a version with all its files"
    )
    served = serve_imported(workspace, heard["version"], heard["rows"], folder, processes)
    require(served == heard["answers"], f"{served}, not {heard['answers']}")
    proved(
        "a run and its LightGBM model were imported from MLflow: parameters, tags, every step; our server's answers "
        "over V2 are bit-identical to those of MLflow's trees"
    )
    pickled, skops = heard["notes"]["cloudpickle"], heard["notes"]["skops"]
    require("is a pickle, which is code" in pickled and "cannot be served" in skops, heard["notes"])
    proved(f"untrusted and unknown models are reported. Pickled: {pickled} Other: {skops}")


def serve_imported(
    workspace: Workspace, version: str, rows: list[dict[str, Any]], folder: Path, processes: ExitStack
) -> list[float]:
    """Request predictions from an imported version, which is in Development because no gate has judged it."""
    port, log = free_port(), folder / "imported.log"
    serve = [sys.executable, "-m", "console.cli.main", "--workspace", str(workspace.root), "serve"]
    server = processes.enter_context(running([*serve, "--listen", f"127.0.0.1:{port}"], log))
    with Client(f"http://127.0.0.1:{port}", "v2") as client:
        until(lambda: client.health().ready, server, log)
        return client.predict(IMPORTED, rows, version=version).values


def train(folder: Path) -> tuple[Workspace, ModelVersion]:
    """Train a small model on a file, and promote it to Production."""
    data = folder / "rents.csv"
    lines = (
        f"{20 + n % 80},{n % 7},{'old' if n % 3 else 'new'},{300 + 9 * (n % 80) + 10 * (n % 7)}" for n in range(200)
    )
    data.write_text("area,floor,age,rent\n" + "\n".join(lines) + "\n")
    workspace = Workspace.create(folder / "workspace", settings_text="{}\n")
    version = train_on_file(workspace, TrainRequest(MODEL, data, target="rent"), Settings(), actor=ANA).version
    registry = Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))
    for _ in range(2):
        registry.apply(registry.plan_promotion(MODEL, version.version), actor=ANA, reason="to be served")
    return workspace, version


def deploy(folder: Path, workspace: Workspace, version: ModelVersion, port: int) -> None:
    """Write MLServer's configuration for this version, without separate processes for models."""
    folder.mkdir()
    server = {"parallel_workers": 0, "host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "debug": False}
    (folder / "settings.json").write_text(json.dumps(server | {"metrics_port": free_port()}))
    kinds = {"area": "INT64", "floor": "INT64", "age": "BYTES"}
    model = {
        "name": MODEL,
        "implementation": "mlserver_runtime.BondxRuntime",
        "inputs": [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in kinds.items()],
        "parameters": {
            "uri": str(Registry(workspace).load_path(MODEL, version.version)),
            "version": version.version,
        },
    }
    (folder / "model-settings.json").write_text(json.dumps(model))


def ask(python: Path, script: str, *arguments: str) -> Any:
    """Run one of our scripts in another environment, and decode the last line of its output."""
    done = subprocess.run(
        [str(python), str(HERE / script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_SECONDS,
    )
    if done.returncode:
        raise SystemExit(f"{script} failed:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


@contextmanager
def running(command: list[str], log: Path, cwd: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process for the duration of a block."""
    paths = os.pathsep.join([str(HERE), str(HERE.parent)])
    environ = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"} | ({"PYTHONPATH": paths} if cwd else {})
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=cwd, env=environ)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def until(reached: Callable[[], bool], peer: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a peer is ready; if it does not start, show its log."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not reached():
        if time.monotonic() > deadline or peer.poll() is not None:
            raise SystemExit(f"a peer did not start:\n{log.read_text()}")
        time.sleep(0.1)


def free_port() -> int:
    """Find a free port."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def close(found: list[float], expected: list[float]) -> bool:
    """Return whether numbers are equal except for rounding."""
    return len(found) == len(expected) and all(map(lambda a, b: math.isclose(a, b, rel_tol=1e-6), found, expected))


def require(is_so: bool, found: object) -> None:
    """End the script and show the value if a condition does not hold."""
    if not is_so:
        raise SystemExit(f"unexpected: {found}")


def refused(kind: type[Exception], ask: Callable[[], object]) -> None:
    """Require that a request is refused with this error."""
    try:
        found = ask()
    except kind:
        return
    raise SystemExit(f"not refused: {found}")


def proved(what: str) -> None:
    """Print a proved statement."""
    print(f"proved: {what}", flush=True)


if __name__ == "__main__":
    main()
