"""Cut the power of a whole machine at random instants, and look for acknowledged changes that are gone.

    python tests/crash/power_cuts.py --cuts 100

The machine is a user-mode Linux (Debian's package `user-mode-linux`; no KVM, no rights). It sees the host's files
read-only, and writes to an ext4 file system of its own. A writer in it makes changes and acknowledges each on the
console, which the host reads. After a random number of acknowledgements all of its processes are killed with SIGKILL:
with them goes the page cache of the machine, as in a power cut. The next start replays the journal of the file system,
and compares what is there with what was acknowledged. One file system lives through all cuts.

What a cut of this kind does not lose: blocks that the machine has already handed to its disk without a flush, since the
host keeps them. A drive with a volatile cache may lose these, too; the product waits for a flush of the drive.

With `--control`, fsync does nothing inside (`libeatmydata`): such a run must lose changes, or the cuts prove nothing.
"""

import argparse
import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUEST = Path(__file__).with_name("power_cut_guest.py")
KERNEL = "linux.uml"
DISK_BYTES = 512 << 20
EATMYDATA = "/usr/lib/x86_64-linux-gnu/libeatmydata.so"
LEAST, MOST = 1, 40  # acknowledgements before a cut, without those of outcomes, which come much faster

_INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin OMP_NUM_THREADS=1 HOME=/run TMPDIR=/run PYTHONPATH={root}
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t tmpfs run /run
mkdir /run/disk
mount -t ext4 /dev/ubda /run/disk 2>/run/why || echo "LOST the file system does not mount: $(cat /run/why)"
cd {root}
{preload} {python} -P {guest} {role} /run/disk {third} 2>&1
umount /run/disk
echo o > /proc/sysrq-trigger
sleep 60
"""


@dataclass
class Tally:
    """What was counted over all cuts."""

    n_cuts: int = 0
    acknowledged: Counter[str] = field(default_factory=Counter)
    losses: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(self.acknowledged.items()))
        lost = Counter(loss.split()[0] for loss in self.losses)
        what = f" ({', '.join(f'{n} {kind}' for kind, n in lost.items())})" if lost else ""
        return (
            f"{self.n_cuts} power cuts: {len(self.losses)} losses{what} among "
            f"{self.acknowledged.total():,} acknowledged changes ({kinds})"
        )


@contextmanager
def machine(folder: Path, role: str, third: str, *, control: bool = False) -> Iterator[Iterator[str]]:
    """Start the machine and yield the lines of its console; at the end its power is cut if it still runs."""
    init = folder / "init.sh"
    preload = f"env LD_PRELOAD={EATMYDATA}" if control and role != "check" else ""
    init.write_text(
        _INIT.format(root=ROOT, preload=preload, python=sys.executable, guest=GUEST, role=role, third=third)
    )
    init.chmod(0o755)
    arguments = ["mem=768M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "quiet"]
    arguments += [f"init={init}", f"ubd0={folder / 'disk.img'}", "con=null", "con0=null,fd:1"]
    process = subprocess.Popen(
        [KERNEL, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        errors="replace",
        start_new_session=True,
        env=os.environ | {"TMPDIR": str(folder)},
    )
    assert process.stdout is not None
    try:
        yield (line.strip() for line in process.stdout)
    finally:
        cut_power(process)
        wait_for_disk(folder / "disk.img")


def wait_for_disk(disk: Path) -> None:
    """Wait until no dying process of the machine holds its disk: the next machine could not open it."""
    with disk.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)  # the lock by which a machine owns its disk; closing releases it


def cut_power(process: "subprocess.Popen[str]") -> None:
    """Kill every process of the machine at once; its threads of other groups die with their tracer."""
    members = [process.pid, *_descendants(process.pid)]
    os.kill(process.pid, signal.SIGSTOP) if process.poll() is None else None
    for pid in members:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def _descendants(pid: int) -> list[int]:
    found, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        except OSError:
            continue
        found += map(int, children)
        waiting += map(int, children)
    return found


def write_until_cut(folder: Path, role: str, dice: random.Random, tally: Tally, *, control: bool) -> list[str]:
    """Let the writer work, cut the power, and return its acknowledgements."""
    wanted, n_slow, heard = dice.randint(LEAST, MOST), 0, []
    with machine(folder, role, str(tally.n_cuts + 1), control=control) as console:
        for line in console:
            if line.startswith("ACK "):
                heard.append(line.removeprefix("ACK "))
                n_slow += '"outcome"' not in line
                if n_slow >= wanted:
                    break
            elif line.startswith("LOST "):
                tally.losses.append(line.removeprefix("LOST "))
        time.sleep(dice.uniform(0, 0.05))  # somewhere within the next change
    if n_slow < wanted:
        tally.losses.append(f"writer {tally.n_cuts + 1} ended after {len(heard)} acknowledgements")
    for line in heard:
        tally.acknowledged[json.loads(line)[0]] += 1
    return heard


def losses_after_cut(folder: Path, acknowledged: list[str]) -> list[str]:
    """Start the machine again, and return what is gone or does not read."""
    told = folder / "acknowledged"
    told.write_text("".join(line + "\n" for line in acknowledged))
    losses, said = [], []
    with machine(folder, "check", str(told)) as console:
        for line in console:
            said.append(line)
            if line.startswith("LOST "):
                losses.append(line.removeprefix("LOST "))
            if line == "CHECKED":
                return losses
    return [*losses, "check did not end: " + " / ".join(said[-5:])]


def main() -> int:
    """Cut the power, print the tally; the exit code is 1 if something was lost, with `--control` if nothing was."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cuts", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true", help="let fsync do nothing: changes must be lost")
    parser.add_argument("--folder", type=Path, default=None, help="where the disk of the machine lies")
    args = parser.parse_args()
    wanted = [KERNEL, "mkfs.ext4"] + [EATMYDATA] * args.control
    if missing := [name for name in wanted if not (shutil.which(name) or Path(name).exists())]:
        print(f"missing: {', '.join(missing)} (apt-get install user-mode-linux e2fsprogs eatmydata)", file=sys.stderr)
        return 2
    dice, tally, began = random.Random(args.seed), Tally(), time.monotonic()
    with tempfile.TemporaryDirectory(dir=args.folder, prefix="power-cuts-") as name:
        folder = Path(name)
        everything: list[str] = []
        _new_disk(folder)
        while tally.n_cuts < args.cuts:
            everything += write_until_cut(folder, "write", dice, tally, control=args.control)
            tally.n_cuts += 1
            losses = losses_after_cut(folder, everything)
            tally.losses += losses
            for loss in losses[:10]:
                print(f"cut {tally.n_cuts}: {loss}", file=sys.stderr)
            if losses:  # counted once: the next cut starts from an empty disk
                everything = []
                _new_disk(folder)
            if tally.n_cuts % 10 == 0:
                print(f"… {tally} after {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(tally)
    return int(bool(tally.losses) != args.control)


def _new_disk(folder: Path) -> None:
    disk = folder / "disk.img"
    disk.unlink(missing_ok=True)
    with disk.open("wb") as file:
        file.truncate(DISK_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", disk], check=True)


if __name__ == "__main__":
    sys.exit(main())
