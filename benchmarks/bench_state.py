"""The state layer: cost of a durable change, a read and a wait, at 1,000 versions.

python benchmarks/bench_state.py [--folder DIR]
"""

import argparse
import os
import random
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from tinydb import JSONStorage, TinyDB, where

from core.state import ChangeWatch, Database, Documents, Workspace

N_VERSIONS = 1_000
N_CHANGES = 300
N_WRITERS = 4
N_CHANGES_A_WRITER = 60
N_NOTICES = 20
IDLE_SECONDS = 5.0


class Version(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    stage: str
    metrics: dict[str, float]
    lineage: dict[str, Any]
    gates: tuple[dict[str, Any], ...]
    revision: int = 0


def a_version(number: int) -> Version:
    """Return a version document of the usual size, about 1.5 kB."""
    gate = {"verdict": "pass", "value": 0.123456, "threshold": 0.5, "n_samples": 1000, "reason": "within the limit"}
    return Version(
        key=f"spread/1.{number}.0",
        stage="Archived",
        metrics={f"metric_{i}": random.random() for i in range(10)},
        lineage={"data": {f"file_{i}": random.randbytes(32).hex() for i in range(4)}, "random_seed": number},
        gates=tuple({"name": f"gate_{i}", **gate} for i in range(6)),
    )


def fill(registry: Database) -> Documents[Version]:
    versions = registry.documents("versions", Version, "key")
    with registry.transaction():
        for number in range(N_VERSIONS):
            versions.insert(a_version(number))
    return versions


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def report(name: str, seconds: list[float], goal: str = "") -> None:
    """Print the median, the 99th percentile and the maximum in milliseconds."""
    ordered = sorted(value * 1e3 for value in seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    print(f"{name:<58} p50 {statistics.median(ordered):8.3f}  p99 {p99:8.3f}  max {ordered[-1]:8.3f} ms  {goal}")


def swap(registry: Database, versions: Documents[Version], number: int) -> None:
    """Make the change of a promotion: two versions in one durable transaction."""
    with registry.transaction():
        for key, stage in ((f"spread/1.{number}.0", "Production"), (f"spread/1.{number + 1}.0", "Archived")):
            versions.replace(msgspec.structs.replace(versions.get(key), stage=stage))


def bench_changes(registry: Database, versions: Documents[Version]) -> None:
    report(
        "durable change of two of 1,000 versions",
        [timed(lambda: swap(registry, versions, random.randrange(N_VERSIONS - 1))) for _ in range(N_CHANGES)],
        "goal: p99 < 50 ms",
    )


def bench_cold_change(workspace: Workspace) -> None:
    def change() -> None:
        registry = Database(workspace.state_file("registry"))
        swap(registry, registry.documents("versions", Version, "key"), random.randrange(N_VERSIONS - 1))

    report("the same in a process that has read nothing yet", [timed_in_child(change) for _ in range(40)])


def bench_reads(registry: Database, versions: Documents[Version]) -> None:
    report("one document, nothing changed", [timed(lambda: versions.get("spread/1.500.0")) for _ in range(N_CHANGES)])
    report("all documents, nothing changed", [timed(versions.all) for _ in range(N_CHANGES)])

    def after_foreign_change() -> float:
        run_in_child(lambda: swap(registry, versions, 1))
        return timed(versions.all)

    report("all documents, after another process's change", [after_foreign_change() for _ in range(40)])


def bench_plain_tinydb(folder: Path, versions: Documents[Version]) -> None:
    with TinyDB(folder / "plain.json", storage=JSONStorage) as plain:
        table = plain.table("versions")
        table.insert_multiple(msgspec.to_builtins(versions.all()))
        report(
            "for comparison: plain TinyDB, one update, not atomic",
            [timed(lambda: table.update({"stage": "Staging"}, where("key") == "spread/1.7.0")) for _ in range(20)],
        )


def bench_contention(registry: Database, versions: Documents[Version]) -> None:
    waits = []
    pipes = []
    for writer in range(N_WRITERS):
        pipes.append(
            start_child(
                lambda writer=writer: [
                    timed(lambda: swap(registry, versions, writer * 10)) for _ in range(N_CHANGES_A_WRITER)
                ]
            )
        )
    for pipe in pipes:
        waits += answer(pipe)
    report(f"the same with {N_WRITERS} concurrent writers, including waits", waits, "goal: p99 < 300 ms")


def bench_notice(workspace: Workspace, registry: Database, versions: Documents[Version]) -> None:
    watch, stop, delays = ChangeWatch(workspace), threading.Event(), []
    for number in range(N_NOTICES):

        def change(number: int = number) -> float:
            time.sleep(random.uniform(0.05, 0.2))
            swap(registry, versions, number)
            return time.monotonic()

        child = start_child(change)
        while not watch.wait(10, stop):
            pass
        noticed = time.monotonic()
        delays.append(max(0.0, noticed - answer(child)))
    report("delay until another process's change is noticed", delays, "goal: < 250 ms")
    before = resource.getrusage(resource.RUSAGE_SELF)
    watch.wait(IDLE_SECONDS, stop)
    after = resource.getrusage(resource.RUSAGE_SELF)
    share = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / IDLE_SECONDS
    print(f"{'cost of watching':<58} {share:8.3%} of a core  goal: < 0.3 %")


def start_child(work: Callable[[], Any]) -> tuple[int, int]:
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write_end, msgspec.json.encode(work()))
        finally:
            os._exit(0)
    os.close(write_end)
    return pid, read_end


def answer(child: tuple[int, int]) -> Any:
    pid, pipe = child
    with open(pipe, "rb") as file:
        answered = msgspec.json.decode(file.read())
    os.waitpid(pid, 0)
    return answered


def run_in_child(work: Callable[[], object]) -> None:
    answer(start_child(lambda: bool(work()) or True))


def timed_in_child(work: Callable[[], object]) -> float:
    seconds: float = answer(start_child(lambda: timed(work)))
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=None, help="working folder, on the disk to be measured")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        workspace = Workspace.create(Path(folder) / "workspace", settings_text="")
        registry = workspace.database("registry")
        versions = fill(registry)
        size = registry.path.stat().st_size
        print(f"{N_VERSIONS:,} versions, {size / 1e6:.2f} MB, {os.cpu_count()} cores")
        bench_changes(registry, versions)
        bench_cold_change(workspace)
        bench_contention(registry, versions)
        bench_reads(registry, versions)
        bench_notice(workspace, registry, versions)
        bench_plain_tinydb(Path(folder), versions)


if __name__ == "__main__":
    main()
