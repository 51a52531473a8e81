"""The audit log and the recorded past at 100,000 records: verification, newest records, search by time, playback.

python benchmarks/bench_audit.py [--records N] [--versions N]
"""

import argparse
import contextlib
import hashlib
import hmac
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from core.actor import Actor, Origin
from core.governance import AuditLog, audited
from core.quality.gate import judge
from core.registry import Registry
from core.state import Workspace
from core.view.past.recorder import DocumentRecorder
from core.view.past.replay import RecordedPast

T0 = datetime(2026, 3, 1, tzinfo=UTC)
MIRA = Actor("mira", "desk-4", Origin.CONSOLE)
A_CHANGE = 1_000  # records per transaction; otherwise filling would take minutes


def timed(name: str, act: Callable[[], object], *, n: int = 5, goal: str = "") -> float:
    """Run a function a few times and print the median."""
    seconds = []
    for _ in range(n):
        began = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - began)
    median = statistics.median(seconds)
    print(f"{name:<64} {median * 1e3:9.1f} ms  {goal}")
    return median


def fill(workspace: Workspace, n_records: int) -> None:
    """Write records of the usual size, one per second."""
    for first in range(0, n_records, A_CHANGE):
        numbers = iter(range(first, n_records))
        clock = lambda numbers=numbers: T0 + timedelta(seconds=next(numbers))  # noqa: E731
        with audited(workspace, "registry", actor=MIRA, reason="weekly release", clock=clock) as change:
            for number in range(first, min(first + A_CHANGE, n_records)):
                before, after = (
                    {"stage": "Staging", "revision": number},
                    {"stage": "Production", "revision": number + 1},
                )
                change.record("version.promote", f"spread/1.{number}.0", before=before, after=after)


def floor(file: Path) -> None:
    """Do the minimum of any verification: read every line, parse it, and hash it once."""
    with file.open("rb") as lines:
        for line in lines:
            orjson.loads(line)
            hmac.digest(b"key", line, hashlib.sha256)


def register(workspace: Workspace, n_versions: int) -> None:
    source = workspace.root / "incoming"
    source.mkdir()
    registry = Registry(workspace, clock=lambda: T0)
    gates = tuple(judge(f"gate_{number}", 0.5, ">=", 0.1) for number in range(6))
    for number in range(n_versions):
        (source / "model.txt").write_text(f"model {number}\n", encoding="utf-8")
        metrics = {f"metric_{each}": number / (each + 1) for each in range(10)}
        registry.register("spread", source, metrics=metrics, lineage={"seed": number}, gates=gates, actor=MIRA)


def bench_audit(root: Path, n_records: int) -> None:
    workspace = Workspace.create(root, settings_text="")
    fill(workspace, n_records)
    log = AuditLog(workspace)
    file = workspace.audit_dir / "audit.jsonl"
    print(f"{n_records:,} records, {file.stat().st_size / 1e6:.1f} MB")
    if not (verdict := log.verify()).ok:
        raise SystemExit(verdict.reason)
    least = timed("floor: read, parse and hash every line once", lambda: floor(file), n=3)
    whole = timed("verify", log.verify, n=3, goal="goal: under 2 s for 100,000")
    print(f"{'verify / floor':<64} {whole / least:9.2f} x")
    timed("the last 300 records", lambda: log.tail(300))
    middle = T0 + timedelta(seconds=n_records / 2)
    timed("the 300 records before an instant in the middle", lambda: log.tail(300, until=middle))


def bench_past(root: Path, n_versions: int) -> None:
    workspace = Workspace.create(root, settings_text="")
    register(workspace, n_versions)
    now = T0
    registry = Registry(workspace, clock=lambda: now)
    versions = [version.version for version in registry.versions("spread")]
    file = workspace.telemetry_file.with_name("past.db")
    with contextlib.closing(DocumentRecorder(workspace, hours=24, clock=lambda: now)) as recorder:
        print(f"{n_versions:,} versions")
        timed("recorder: the first look, which writes everything", recorder.look, n=1)
        size = sum(part.stat().st_size for part in file.parent.glob(f"{file.name}*"))
        print(f"{'size of its data':<64} {size / 1e3:9.1f} kB")
        timed("recorder: a look without a change", recorder.look, n=100)
        looks = []
        for version in versions[:20]:
            now += timedelta(seconds=5)
            registry.apply(registry.plan_promotion("spread", version), actor=MIRA)
            began = time.perf_counter()
            recorder.look()
            looks.append(time.perf_counter() - began)
        print(f"{'recorder: a look after a promotion':<64} {statistics.median(looks) * 1e3:9.1f} ms")
    past = RecordedPast(workspace)
    timed("a snapshot of the past", lambda: past.at(T0 + timedelta(seconds=50)))
    timed("the previous moment", lambda: past.before(now), n=20)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--versions", type=int, default=1_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench_audit(Path(folder) / "audit", args.records)
        bench_past(Path(folder) / "past", args.versions)


if __name__ == "__main__":
    main()
