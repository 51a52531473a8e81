"""Backup, verification and restoration of a workspace with data sets, versions and records, against a plain copy.

python benchmarks/bench_backup.py [--mib N] [--versions N] [--records N] [--elsewhere] [--to ADDRESS ...]

`--elsewhere` measures the same at addresses, against the folder: file:// and an FTP server process on this machine.
`--to` measures any other address, with the credentials that its library finds.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from core.actor import Actor, Origin
from core.evidence import EvidencePacks, verify_pack
from core.governance import audited
from core.maintenance.backup import BackupRepository, BackupResult, create_backup, restore_workspace, target_of
from core.quality.gate import judge
from core.registry import Registry
from core.state import Workspace

MIRA = Actor("mira", "desk-4", Origin.COMMAND_LINE)
KEY = b"the key of this benchmark"


def timed(name: str, act: Callable[[], Any], *, more: Callable[[Any], str] = lambda _: "") -> Any:
    """Run a function once and print how long it took."""
    began = time.perf_counter()
    answer = act()
    print(f"{name:<58} {time.perf_counter() - began:8.2f} s  {more(answer)}")
    return answer


def fill(workspace: Workspace, n_mib: int, n_versions: int, n_records: int) -> None:
    """Make a workspace of the usual proportions: data that do not compress, versions, an audit log."""
    for number in range(n_mib // 8):
        (workspace.datasets_dir / f"panel-{number}.bin").write_bytes(os.urandom(8 << 20))
    source = workspace.root.parent / "trained"
    source.mkdir()
    gates = (judge("coverage", 99.0, ">=", 90.0, unit="%"),)
    registry = Registry(workspace)
    for number in range(n_versions):
        (source / "model.txt").write_bytes(os.urandom(64 << 10))
        registry.register(
            "spread", source, metrics={"attainment": 0.9}, lineage={"seed": number}, gates=gates, actor=MIRA
        )
    for _ in range(n_records // 500):
        with audited(workspace, "registry", actor=MIRA, reason="weekly release") as change:
            for number in range(500):
                change.record("version.note", f"spread/{number}", before={"n": number}, after={"n": number + 1})


def told(result: BackupResult) -> str:
    """Say what a backup added, and how long changes waited."""
    return f"{result.n_new_bytes / 2**20:.1f} MiB new, changes waited {result.held_seconds * 1e3:.0f} ms"


def elsewhere(workspace: Workspace, address: str, place: Path) -> None:
    """Measure the same steps at an address."""
    target, scheme = target_of(address), address.partition(":")[0]

    def back_up() -> BackupResult:
        return create_backup(workspace, target, KEY, actor=MIRA)

    first = timed(f"{scheme}: the first encrypted backup", back_up, more=told)
    timed(f"{scheme}: the next one, nothing changed", back_up, more=told)
    repository = BackupRepository.open(target, KEY)
    timed(f"{scheme}: verify one backup, every byte", lambda: repository.verify(first.backup_id))
    back = place / f"back-{scheme}"
    timed(f"{scheme}: restore it", lambda: restore_workspace(repository, first.backup_id, back, actor=MIRA))
    print(f"{scheme + ': takes':<58} {repository.size() / 2**20:8.1f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--versions", type=int, default=200)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--elsewhere", action="store_true", help="measure file:// and ftp:// on this machine, too")
    parser.add_argument("--to", action="append", default=[], metavar="ADDRESS", help="measure this address, too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        place = Path(folder)
        workspace = Workspace.create(place / "ws", settings_text="{}\n")
        fill(workspace, args.mib, args.versions, args.records)
        timed("a plain copy of the folder, for comparison", lambda: shutil.copytree(workspace.root, place / "copy"))
        first = timed("the first backup", lambda: create_backup(workspace, place / "safe", None, actor=MIRA), more=told)
        print(f"{'':<58} {first.n_files:,} files, {first.n_bytes / 2**20:.0f} MiB")
        timed(
            "the next one, nothing changed",
            lambda: create_backup(workspace, place / "safe", None, actor=MIRA),
            more=told,
        )
        timed("the first encrypted one", lambda: create_backup(workspace, place / "enc", KEY, actor=MIRA), more=told)
        repository = BackupRepository.open(place / "safe", None)
        timed("verify one backup, every byte", lambda: repository.verify(first.backup_id))
        timed(
            "restore it, verified",
            lambda: restore_workspace(repository, first.backup_id, place / "new", actor=MIRA),
            more=lambda result: f"{result.n_versions} versions, {result.n_records:,} audit records",
        )
        encrypted = BackupRepository.open(place / "enc", KEY)
        print(f"{'the encrypted one takes':<58} {encrypted.size() / 2**20:8.1f} MiB")
        addresses = list(args.to)
        if args.elsewhere:
            from tests.ftp_server import PASSWORD, USER, serving

            (place / "ftp").mkdir()
            os.environ["FSSPEC_FTP"] = json.dumps({"username": USER, "password": PASSWORD})
            port = servers.enter_context(serving(place / "ftp"))
            addresses = [f"file://{place}/elsewhere", f"ftp://127.0.0.1:{port}/safe", *addresses]
        for address in addresses:
            elsewhere(workspace, address, place)
        packs = EvidencePacks(workspace)
        version = Registry(workspace).numbers("spread")[-1]
        pack = timed("an evidence pack of a version", lambda: packs.of_version("spread", version, actor=MIRA))
        timed("its verification", lambda: verify_pack(packs.folder_of(pack), packs.public_key_file))


if __name__ == "__main__":
    main()
