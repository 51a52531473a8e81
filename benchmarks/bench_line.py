"""A promotion over a slow line that loses packets: round trips from the key to the dialog, and from `Y` to the result.

    python benchmarks/bench_line.py [--round-trip 150] [--loss 0.01] [--promotions 20]

The line is a relay between the console's terminal and the reader: each packet of 1,400 bytes takes half of the round
trip, a lost packet is sent again after the time-out of TCP, and all behind it wait. A promotion needs two round trips,
however slow the line; beyond them is the console's own time.
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

from scale_fills import fill_versions
from terminal_meter import Program

import sample_configs
from core.state import Workspace

PACKET_BYTES = 1_400
LEAST_TIMEOUT_SECONDS = 0.2
"""How long TCP waits at least before it sends a lost packet again (Linux; RFC 6298 asks for a second)."""


class Line:
    """A console at the other end of a slow line."""

    def __init__(self, program: Program, *, round_trip: float, loss: float, seed: int) -> None:
        self._program = program
        self._one_way, self._loss = round_trip / 2, loss
        self._timeout = max(LEAST_TIMEOUT_SECONDS, 2 * round_trip)
        self._chance = random.Random(seed)
        self._there: deque[tuple[float, bytes]] = deque()
        self._back: deque[tuple[float, bytes]] = deque()
        self.arrived = bytearray()

    def press(self, key: bytes) -> None:
        """Send a key."""
        self._send(self._there, key)

    def wait_for(self, text: bytes, *, seconds: float = 30.0) -> float:
        """Return the seconds until a text arrives that was not there before."""
        began, start = time.perf_counter(), len(self.arrived)
        while text not in self.arrived[start:]:
            if time.perf_counter() - began > seconds:
                raise TimeoutError(f"{text!r} never arrived; the last bytes were {bytes(self.arrived[-300:])!r}")
            self.relay(0.002)
        return time.perf_counter() - began

    def rest(self, seconds: float) -> None:
        """Relay for some seconds."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self.relay(0.005)

    def relay(self, seconds: float) -> None:
        """Move what is due, and what the console writes."""
        while self._there and self._there[0][0] <= time.perf_counter():
            self._program.type(self._there.popleft()[1])
        if chunk := self._program.read(seconds):
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
        slow, own_ms = arguments.round_trip / 1000, 0.0
        for round_trip, loss in ((0.0, 0.0), (slow, 0.0), (slow, arguments.loss)):
            found = promotions(Path(folder) / f"{round_trip}-{loss}", arguments.promotions, round_trip, loss)
            median_ms = report(found, round_trip, loss, own_ms)
            own_ms = own_ms or median_ms


def promotions(root: Path, number: int, round_trip: float, loss: float) -> list[tuple[float, float]]:
    """Promote versions one after the other; return the seconds to the dialog and to the result of each."""
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


def report(found: list[tuple[float, float]], round_trip: float, loss: float, own_ms: float) -> float:
    """Print the median of all promotions, and what the line adds to the console's own time; return the median."""
    both = [sum(pair) for pair in found]
    dialog, result, total = (statistics.median(times) * 1000 for times in (*zip(*found, strict=True), both))
    added = f"; the line adds {(total - own_ms) / 1000 / round_trip:.2f} round trips" if round_trip else ""
    print(
        f"round trip {round_trip * 1000:.0f} ms, loss {loss:.0%}: dialog {dialog:.0f} ms, result {result:.0f} ms, "
        f"together median {total:.0f} ms, worst {max(both) * 1000:.0f} ms{added}"
    )
    return total


if __name__ == "__main__":
    main()
