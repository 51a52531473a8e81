"""Kill real writers with SIGKILL at random instants, and look for what was lost.

    python tests/crash/kill_writers.py --kills 10000

Each round forks writers that change two tables of one file in one transaction, and acknowledge every commit on a
pipe. After some acknowledgements, each is killed somewhere in the middle of its next change: so many changes are made
however slow the machine is. Then the file must be readable, each writer's last acknowledged
change must be in it, nothing but its very next change may be there beyond, both tables must agree, and the
generation kept for restoring must be whole.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from core.state import DamagedFileError, Database
from core.state.encoding import fields_of
from core.state.generation import good_generation, load, previous_of

_ACKNOWLEDGEMENT_BYTES = 8
_MOST_CHANGES = 3


@dataclass
class Tally:
    """What was counted over all rounds."""

    n_kills: int = 0
    n_acknowledged: int = 0
    n_beyond: int = 0  # committed, and killed before saying so
    n_unreadable: int = 0
    n_lost: int = 0
    n_torn: int = 0
    change_seconds: float = 0.003  # that the latest changes took

    @property
    def is_clean(self) -> bool:
        return self.n_unreadable == self.n_lost == self.n_torn == 0

    def __str__(self) -> str:
        return (
            f"{self.n_kills:,} writers killed: {self.n_unreadable} unreadable files, "
            f"{self.n_lost} acknowledged changes lost, {self.n_torn} half-applied changes "
            f"({self.n_acknowledged:,} changes acknowledged, "
            f"{self.n_beyond:,} writers died between commit and acknowledgement)"
        )


def write_until_killed(path: Path, writer: str, acknowledge: int) -> None:
    """Commit one change after the other; each is `n` in two tables, beside some ballast that takes time to write."""
    database = Database(path)
    ballast = {"text": "x" * 20_000}
    while True:
        with database.transaction():
            stored = database.table("counts").get(lambda document: document["writer"] == writer)
            n = stored["n"] + 1 if stored else 1
            for table in ("counts", "echoes"):
                change = {"writer": writer, "n": n, **ballast}
                database.table(table).upsert(change, lambda document: document["writer"] == writer)
        os.write(acknowledge, n.to_bytes(_ACKNOWLEDGEMENT_BYTES, "big"))


def fork_writer(path: Path, writer: str) -> tuple[int, int]:
    """Start a writer; return its process id and the pipe on which it acknowledges."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read_end)
            write_until_killed(path, writer, write_end)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(70)  # a writer never ends by itself
    os.close(write_end)
    return pid, read_end


def wait_for(pipe: int, n: int) -> bytes:
    """Wait until a writer has acknowledged so many changes, and return what it said."""
    received = bytearray()
    while len(received) < n * _ACKNOWLEDGEMENT_BYTES:
        if not (chunk := os.read(pipe, n * _ACKNOWLEDGEMENT_BYTES - len(received))):
            raise RuntimeError("a writer ended by itself; see its error above")
        received += chunk
    return bytes(received)


def last_acknowledged(pipe: int, before: bytes) -> int:
    """Return the last number a killed writer acknowledged in this round, or 0."""
    received = bytearray(before)
    while chunk := os.read(pipe, 65_536):
        received += chunk
    os.close(pipe)
    return int.from_bytes(received[-_ACKNOWLEDGEMENT_BYTES:], "big")


def run_round(path: Path, n_writers: int, dice: random.Random, acknowledged: dict[str, int], tally: Tally) -> None:
    """Start writers, kill them all, and examine what they left."""
    writers = {f"writer-{i}": fork_writer(path, f"writer-{i}") for i in range(n_writers)}
    seen = {}
    for name, (pid, pipe) in writers.items():
        n_changes, began = dice.randint(0, _MOST_CHANGES), time.monotonic()
        seen[name] = wait_for(pipe, n_changes)
        if n_changes:
            tally.change_seconds = (time.monotonic() - began) / n_changes
        time.sleep(dice.uniform(0, tally.change_seconds))  # how long a change takes here, and so somewhere within one
        os.kill(pid, signal.SIGKILL)
    for name, (pid, pipe) in writers.items():
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status):
            raise RuntimeError(f"{name} ended by itself; see its error above")
        if (n := last_acknowledged(pipe, seen[name])) > 0:
            tally.n_acknowledged += n - acknowledged.get(name, 0)
            acknowledged[name] = n
        tally.n_kills += 1
    try:
        tables = load(path).tables
    except DamagedFileError as error:
        tally.n_unreadable += 1
        print(error, file=sys.stderr)
        return
    if previous_of(path).exists() and good_generation(path) is None:
        tally.n_unreadable += 1
    counts, echoes = (
        {fields["writer"]: fields["n"] for fields in map(fields_of, tables.get(table, {}).values())}
        for table in ("counts", "echoes")
    )
    tally.n_torn += counts != echoes
    for name in writers:
        n_beyond = counts.get(name, 0) - acknowledged.get(name, 0)
        tally.n_lost += n_beyond < 0
        tally.n_torn += n_beyond > 1
        tally.n_beyond += n_beyond == 1
        acknowledged[name] = counts.get(name, 0)


def main() -> int:
    """Run the rounds and print the tally; the exit code is 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--writers", type=int, default=2, help="writers on the file at the same time")
    parser.add_argument("--seed", type=int, default=None, help="of the instants (the kernel adds its own)")
    parser.add_argument("--folder", type=Path, default=None, help="where to write; on the disk that is to be tested")
    args = parser.parse_args()
    tally, acknowledged, dice = Tally(), dict[str, int](), random.Random(args.seed)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        while tally.n_kills < args.kills:
            run_round(Path(folder) / "victim.json", args.writers, dice, acknowledged, tally)
            if tally.n_kills % 1_000 < args.writers and args.kills > 1_000:
                print(f"… {tally.n_kills:,} after {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(tally)
    return 0 if tally.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
