"""A promotion over a slow line that loses packets: round trips from the key to the dialog, and from `Y` to the result.

    python benchmarks/bench_line.py [--round-trip 150] [--loss 0.01] [--promotions 20]

The line is a relay between the console's terminal and the reader: each packet of 1,400 bytes takes half of the round
trip, a lost packet is sent again after the time-out of TCP, and all behind it wait. A promotion needs two round trips,
however slow the line; beyond them is the console's own time, which is measured at its end of the line in every pass:
from the arrival of a key there to the bytes of its answer. A pass while the machine is busy says the same of the line.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

from scale_fills import fill_versions
from terminal_meter import Program

import sample_configs
from core.state import Workspace

PACKET_BYTES = 1_400
LEAST_TIMEOUT_SECONDS = 0.2
"""How long TCP waits at least before it sends a lost packet again (Linux; RFC 6298 asks for a second)."""


class Wait(NamedTuple):
    """How long an answer to the last key took."""

    seconds: float
    own_seconds: float  # of the console: the rest is the line


class Line:
    """A console at the other end of a slow line."""

    def __init__(self, program: Program, *, round_trip: float, loss: float, seed: int) -> None:
        self._program = program
        self._one_way, self._loss = round_trip / 2, loss
        self._timeout = max(LEAST_TIMEOUT_SECONDS, 2 * round_trip)
        self._chance = random.Random(seed)
        self._there: deque[tuple[float, bytes]] = deque()
        self._back: deque[tuple[float, bytes]] = deque()
        self._typed_at = 0.0  # when the last key reached the console
        self._written: deque[tuple[float, bytes]] = deque()  # by the console, since then
        self.arrived = bytearray()

    def press(self, key: bytes) -> None:
        """Send a key."""
        self._send(self._there, key)

    def wait_for(self, text: bytes, *, seconds: float = 30.0) -> Wait:
        """Wait until a text arrives that was not there before."""
        began, start = time.perf_counter(), len(self.arrived)
        while text not in self.arrived[start:]:
            if time.perf_counter() - began > seconds:
                raise TimeoutError(f"{text!r} never arrived; the last bytes were {bytes(self.arrived[-300:])!r}")
            self.relay(0.002)
        return Wait(time.perf_counter() - began, self._written_at(text) - self._typed_at)

    def _written_at(self, text: bytes) -> float:
        """Return when the console wrote a text that has arrived."""
        written = bytearray()
        for at, chunk in self._written:
            written += chunk
            if text in written:
                return at
        return self._typed_at  # with an earlier key

    def rest(self, seconds: float) -> None:
        """Relay for some seconds."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self.relay(0.005)

    def relay(self, seconds: float) -> None:
        """Move what is due, and what the console writes."""
        while self._there and self._there[0][0] <= time.perf_counter():
            self._program.type(self._there.popleft()[1])
            self._typed_at = time.perf_counter()
            self._written.clear()
        if chunk := self._program.read(seconds):
            self._written.append((time.perf_counter(), chunk))
            for start in range(0, len(chunk), PACKET_BYTES):
                self._send(self._back, chunk[start : start + PACKET_BYTES])
        while self._back and self._back[0][0] <= time.perf_counter():
            self.arrived += self._back.popleft()[1]

    def _send(self, way: deque[tuple[float, bytes]], packet: bytes) -> None:
        arrives = time.perf_counter() + self._one_way
        while self._chance.random() < self._loss:
            arrives += self._timeout
        way.append((max(arrives, way[-1][0] if way else 0.0), packet))  # TCP delivers in order


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--round-trip", type=float, default=150.0, help="milliseconds")
    parser.add_argument("--loss", type=float, default=0.01, help="share of packets")
    parser.add_argument("--promotions", type=int, default=20)
    arguments = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        slow = arguments.round_trip / 1000
        for round_trip, loss in ((0.0, 0.0), (slow, 0.0), (slow, arguments.loss)):
            found = promotions(Path(folder) / f"{round_trip}-{loss}", arguments.promotions, round_trip, loss)
            report(found, round_trip, loss)


def promotions(root: Path, number: int, round_trip: float, loss: float) -> list[tuple[Wait, Wait]]:
    """Promote versions one after the other; return the wait for the dialog and for the result of each."""
    workspace = Workspace.create(root, settings_text=sample_configs.template_text())
    fill_versions(workspace, number)
    program = Program([str(Path(sys.executable).with_name("bondx")), "--workspace", str(root)], columns=80, rows=24)
    program.wait_for("Overview")
    line = Line(program, round_trip=round_trip, loss=loss, seed=1)
    line.press(b"3")
    line.rest(3.0)
    found = []
    for _ in range(number):
        line.press(b"P")
        to_dialog = line.wait_for(b"Cancel")
        line.wait_for(b"confirms")  # a dialog ignores keys for 400 ms: nobody has read it by then
        line.press(b"Y")
        to_result = line.wait_for(b"in Staging")
        found.append((to_dialog, to_result))
        line.rest(1.0)
        line.press(b"j")
        line.rest(0.5 + round_trip)
    program.end()
    return found


def report(found: list[tuple[Wait, Wait]], round_trip: float, loss: float) -> None:
    """Print the median of all promotions, the console's own part of it, and what the line adds."""
    both = [dialog.seconds + result.seconds for dialog, result in found]
    own = [dialog.own_seconds + result.own_seconds for dialog, result in found]
    of_line = [whole - part for whole, part in zip(both, own, strict=True)]
    dialogs, results = ([wait.seconds for wait in waits] for waits in zip(*found, strict=True))
    dialog, result, total, own_ms = (statistics.median(times) * 1000 for times in (dialogs, results, both, own))
    added = f", the line {statistics.median(of_line) / round_trip:.2f} round trips" if round_trip else ""
    print(
        f"round trip {round_trip * 1000:.0f} ms, loss {loss:.0%}: dialog {dialog:.0f} ms, result {result:.0f} ms, "
        f"together median {total:.0f} ms, worst {max(both) * 1000:.0f} ms; of the median pass the console took "
        f"{own_ms:.0f} ms{added}"
    )


if __name__ == "__main__":
    main()
