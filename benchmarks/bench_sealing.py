"""Sealed files against plain ones: a data set, a version, another key, and one small file.

python benchmarks/bench_sealing.py [--rows N] [--rounds N]
"""

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from core.key_derivation import fresh_derivation
from core.registry.artifacts import ArtifactStore
from core.registry.manifest import check
from core.sealed_files import FileSealer, seal, sealer_of, unsealed_content, with_another_key
from core.tables.data_files import WRITERS, arrow_table, written_table

KEY = b"the key of this benchmark"


def median_seconds(act: Callable[[], object], rounds: int) -> float:
    """Return the median time of a function."""
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def require_good(problems: list[str]) -> None:
    """Raise if a version is not as it was registered."""
    if problems:
        raise RuntimeError("; ".join(problems))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the data set")
    parser.add_argument("--mib", type=int, default=20, help="size of the version")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each measurement")
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    columns = {f"x{n}": rng.normal(size=args.rows) for n in range(10)}
    columns["desk"] = pd.Categorical(rng.choice(["north", "south", "west"], args.rows))
    table = arrow_table(pd.DataFrame(columns), metadata={})
    sealer, other = sealer_of(KEY), sealer_of(KEY + b", changed")
    with tempfile.TemporaryDirectory(prefix="bondx-bench-") as folder:
        place = Path(folder)

        def write(kind: str, with_sealer: FileSealer | None) -> None:
            (place / f"data.{kind}.sealed").unlink(missing_ok=True)
            written_table(WRITERS[kind], table, place / f"data.{kind}", with_sealer)

        for kind in ("parquet", "csv"):
            plain = median_seconds(lambda kind=kind: write(kind, None), args.rounds)
            sealed = median_seconds(lambda kind=kind: write(kind, sealer), args.rounds)
            n_mib = (place / f"data.{kind}").stat().st_size / 2**20
            more = (place / f"data.{kind}.sealed").stat().st_size - (place / f"data.{kind}").stat().st_size
            print(
                f"write {kind:<8} {n_mib:7.1f} MiB: plain {plain:6.3f} s, sealed and hashed {sealed:6.3f} s "
                f"({sealed / plain:4.2f} x), {more:,} bytes more"
            )
            file = place / f"data.{kind}"
            read = median_seconds(file.read_bytes, args.rounds)
            unsealed = median_seconds(
                lambda kind=kind: unsealed_content(place / f"data.{kind}.sealed", lambda _: sealer), args.rounds
            )
            speed = n_mib / unsealed
            print(
                f"read  {kind:<8} {n_mib:7.1f} MiB: plain {read:6.3f} s, unsealed {unsealed:6.3f} s, {speed:,.0f} MiB/s"
            )
        store = ArtifactStore(place / "artifacts")
        (source := place / "source").mkdir()
        (source / "model.bin").write_bytes(rng.bytes(args.mib * 2**20))
        for n in range(8):
            (source / f"figures{n}.json").write_bytes(b"{}" * 2_000)
        loading = {}
        for version, with_sealer in (("1.0.0", None), ("1.0.1", sealer_of(KEY, sealer.derivation))):
            with store.staged(source, {}) as staged:
                if with_sealer is not None:
                    store.seal(staged, with_sealer)
                store.publish(staged, "model", version)
            sha256 = staged.manifest_sha256

            def load(version: str = version, sha256: str = sha256) -> None:
                require_good(check(store.folder("model", version), sha256))
                with store.copied("model", version, sha256):
                    pass

            loading[version] = median_seconds(load, args.rounds)
        plain, sealed = loading.values()
        print(f"verify and copy a version of {args.mib} MiB, as before it is loaded: plain {plain:.3f} s, sealed "
              f"{sealed:.3f} s ({sealed / plain:.2f} x)")  # fmt: skip
        file = place / "data.csv.sealed"
        seconds = median_seconds(lambda: with_another_key(file, io.BytesIO(), sealer, other), args.rounds)
        print(f"take {file.stat().st_size / 2**20:.1f} MiB to a new key: {seconds:.3f} s, without the disk")
    derived = median_seconds(lambda: FileSealer(KEY, fresh_derivation()), args.rounds)
    small = median_seconds(lambda: seal(b"x" * 1_000, sealer), 200)
    print(f"derive the key, once in a process: {derived * 1e3:.0f} ms; seal 1 kB: {small * 1e6:.0f} us")


if __name__ == "__main__":
    main()
