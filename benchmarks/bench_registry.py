"""Time of a promotion in a registry of a thousand versions, and of loading a large artifact.

    python benchmarks/bench_registry.py [--versions 1000] [--archive] [--rounds 200] [--artifact-mb 500] [--peers PY]

Prints one JSON object. The floor is the minimum for any durable registry in one file: write, fsync and rename the same
bytes, and append the audit record with a second fsync. MLflow with SQLite runs alternately with ours, in a separate
process (`make interop` installs it; without it, only ours is measured): a change of stage that archives the previous
version, an alias, and a list of all versions. Our promotion also checks the policy's gates and writes the audit record.
"""

import argparse
import hashlib
import json
import os
import statistics
import tempfile
from collections import defaultdict
from functools import partial
from pathlib import Path

from peers import MlflowPeer, add_peers_argument, mlflow_peer
from timing import quantiles, timed

from core.actor import Actor, Origin
from core.maintenance.archiving import archive_documents
from core.quality.gate import judge
from core.registry import Registry, Stage
from core.state import Workspace

OPERATOR = Actor("bench", "localhost", Origin.COMMAND_LINE)
SECOND = Actor("second", "localhost", Origin.COMMAND_LINE)
MODELS = ("spread", "downgrade", "liquidity_shock", "anomaly")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--versions", type=int, default=1000, help="versions in the registry")
    parser.add_argument("--archive", action="store_true", help="archive older documents first, as the engine does")
    parser.add_argument("--rounds", type=int, default=200, help="promotions and rollbacks to time")
    parser.add_argument(
        "--artifact-mb", type=int, default=500, help="size of the artifact to load, hash check included"
    )
    parser.add_argument("--folder", type=Path, help="working folder; its file system determines the cost of an fsync")
    add_peers_argument(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        with mlflow_peer(arguments.peers, Path(folder)) as mlflow:
            answer = measure(Path(folder), arguments.versions, arguments.rounds, mlflow, archives=arguments.archive)
        answer["load_average"] = [round(load, 1) for load in os.getloadavg()]
        answer |= measure_load(Path(folder), arguments.artifact_mb)
        print(json.dumps(answer, indent=2))


def measure(
    folder: Path, n_versions: int, n_rounds: int, mlflow: MlflowPeer | None, *, archives: bool = False
) -> dict[str, object]:
    """Fill a registry and time an operator's verbs in milliseconds, alternately with MLflow's."""
    # As in real use, the policy requires a second person, so that the times include approvals.
    settings = "policy: {overrides: {'*': {promotion: {min_accuracy: 0, required_approvals: 1}}}}\n"
    workspace = Workspace.create(folder / "workspace", settings_text=settings)
    registry = Registry(workspace)
    took: dict[str, list[float]] = defaultdict(list)
    took["register_ms"] = fill(registry, folder, n_versions)
    if archives:
        archive_documents(workspace, actor=Actor.engine())
    if mlflow:
        mlflow.ask("fill", models=MODELS, n_versions=n_versions)
    model = MODELS[0]
    live, *candidates = [version.version for version in registry.versions(model)]
    registry.approve(model, live, actor=SECOND)
    for _ in range(2):
        promote(registry, model, live)
    for round_ in range(n_rounds):
        candidate = candidates[round_ % len(candidates)]
        if registry.get(model, candidate).stage is not Stage.STAGING:
            promote(registry, model, candidate)
        registry.approve(model, candidate, actor=SECOND)
        # Alternate, so that all see the same disk.
        took["promote_ms"].append(timed(promote, registry, model, candidate))
        took["alias_ms"].append(timed(partial(registry.set_alias, actor=OPERATOR), model, "champion", candidate))
        took["floor_ms"].append(timed(bare_write, workspace, folder))
        took["list_ms"].append(timed(registry.versions))  # the first list after a change reads the file
        took["list_warm_ms"].append(timed(registry.versions))
        if mlflow:
            number = round_ % len(candidates) + 2
            took["mlflow_promote_ms"].append(mlflow.ask("promote", model=model, number=number))
            took["mlflow_alias_ms"].append(mlflow.ask("alias", model=model, number=number))
            took["mlflow_list_ms"].append(mlflow.ask("list_versions", n_versions=n_versions))
        took["rollback_ms"].append(timed(roll_back, registry, model))
    median = {name: statistics.median(durations) for name, durations in took.items()}
    answer: dict[str, object] = {
        "n_versions": len(registry.versions()),
        "state_file_bytes": workspace.database("registry").path.stat().st_size,
        **{name: quantiles(durations) for name, durations in took.items()},
        "promote_to_floor": round(median["promote_ms"] / median["floor_ms"], 2),
    }
    if not mlflow:
        return answer
    ratios = {
        f"mlflow_to_{verb}": round(median[f"mlflow_{verb}_ms"] / median[f"{verb}_ms"], 2)
        for verb in ("promote", "alias", "list")
    }
    return {**answer, "mlflow": mlflow.ask("version"), **ratios}


def measure_load(folder: Path, n_mb: int) -> dict[str, object]:
    """Register one large artifact and load it, with every byte hashed; the floor is to read and hash it once."""
    source = folder / "large.npz"
    block = os.urandom(1 << 20)
    with source.open("wb") as file:
        for index in range(n_mb):
            file.write(index.to_bytes(8, "big") + block[8:])
    registry = Registry(Workspace.create(folder / "large", settings_text="{}\n"))
    register = partial(registry.register, metrics={}, lineage={}, gates=(), actor=OPERATOR)
    registering = timed(register, "spread", source)
    loading = [timed(registry.load_path, "spread", "1.0.0") for _ in range(3)]
    with source.open("rb") as file:
        floor = timed(hashlib.file_digest, file, "sha256")
    return {
        "artifact_mb": n_mb,
        "register_artifact_ms": round(registering),
        "load_ms": round(max(loading)),
        "hash_floor_ms": round(floor),
        "load_to_floor": round(min(loading) / floor, 2),
    }


def fill(registry: Registry, folder: Path, n_versions: int) -> list[float]:
    source = folder / "trained"
    source.mkdir()
    gates = [judge(name, 99.0, ">=", 90.0, unit="%", n_samples=1000) for name in ("coverage", "esg", "liquidity")]
    durations = []
    for index in range(n_versions):
        (source / "model.txt").write_text(f"tree {index}\n" * 2_000)
        (source / "report.json").write_text(json.dumps({"features": ["rating"], "parameters": {"depth": index}}))
        metrics = {"attainment": 0.9, "r2": 0.8, "mae_bps": 21.5 + index, "loss": 0.3}
        lineage = {"data": {"train": "0" * 64, "test": "1" * 64}, "seed": index, "settings_sha256": "2" * 64}
        register = partial(registry.register, metrics=metrics, lineage=lineage, gates=gates, actor=OPERATOR)
        durations.append(timed(register, MODELS[index % len(MODELS)], source))
    return durations


def promote(registry: Registry, model: str, version: str) -> None:
    registry.apply(registry.plan_promotion(model, version), actor=OPERATOR)


def roll_back(registry: Registry, model: str) -> None:
    registry.apply(registry.plan_rollback(model), actor=OPERATOR)


def bare_write(workspace: Workspace, folder: Path) -> None:
    content = workspace.database("registry").path.read_bytes()
    replace_durably(folder / "floor.json", content)
    with (folder / "floor.jsonl").open("ab") as log:
        log.write(b"x" * 600)
        log.flush()
        os.fsync(log.fileno())


def replace_durably(path: Path, content: bytes) -> None:
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


if __name__ == "__main__":
    main()
