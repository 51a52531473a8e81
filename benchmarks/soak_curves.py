"""What the processes of a soak use over time: samples, the slope of each curve with its interval, and a picture."""

import os
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from scipy.stats import t as student

from core.arrays import FloatArray

N_BLOCKS = 10
TOLERATED_SHARE_PER_HOUR = 0.05
"""A curve whose slope is surely below this share of its level an hour is flat, however narrow its interval."""

BUDGET_KIB_A_ROUND = 8.0
"""What a round of a version, its moves, a rollout and a run may leave in a process, after docs/architecture.md. Beside
it, a process holds the bytes of the state files, each up to 1 MiB, so their growth is a part of the budget, too."""
STATE_FILES = "state files, MiB"


@dataclass(frozen=True)
class Window:
    """What a process holds of the last minutes, so that it grows for as long after its start.

    Attributes:
        what: What it holds.
        seconds: Of how long.
        kib: How much that takes, at most, after docs/architecture.md.
    """

    what: str
    seconds: float
    kib: float

    def filled(self, start: float, since: float, until: float) -> float:
        """Return how much of it fills between two instants, in KiB, if the process has started at another."""
        end = start + self.seconds
        return self.kib * max(0.0, min(end, until) - max(start, since)) / self.seconds


_SAMPLES = Window("samples of the machine", 600.0, 600.0)
WINDOWS: Mapping[str, Sequence[Window]] = {
    "console": (_SAMPLES,),
    "engine": (_SAMPLES, Window("recorded series", 540.0, 900.0)),
    "status": (_SAMPLES,),
}
"""By process. A soak that ends before a window is full would take its filling for growth without end."""

Point = tuple[float, float]  # seconds, value


@dataclass(frozen=True)
class Slope:
    """The growth of a curve an hour, or a round, with its 95 % interval; the same at its end, if it is a parabola."""

    growth: float
    low: float
    high: float
    level: float
    at_end: float
    is_slowing: bool  # the parabola is surely bent towards a level

    @property
    def verdict(self) -> str:
        """Say whether the curve is flat, fills, grows or falls; "unclear" if the soak was too short to say.

        A curve that fills has grown, but at its end by less than half of its mean growth: a cache on its way to its
        limit. A curve that grows as fast at its end is growing, whatever its cause.
        """
        tolerated = TOLERATED_SHARE_PER_HOUR * abs(self.level)
        if self.low > tolerated:
            return "filling" if self.is_slowing and self.at_end < self.growth / 2 else "growing"
        if self.high < -tolerated:
            return "falling"
        return "flat" if self.low <= 0.0 <= self.high or max(abs(self.low), abs(self.high)) <= tolerated else "unclear"


@dataclass(frozen=True)
class RoundGrowth:
    """How the memory of a process grows with the rounds, in KiB a round, and how much of that is budgeted.

    The budget includes `filling`, the windows that were not full yet, in KiB a round, too.
    """

    levels: "Levels"
    slope: Slope
    budget: float
    filling: float = 0.0

    @property
    def verdict(self) -> str:
        """Say whether it is flat, as budgeted, fills towards a limit, grows or falls; "unclear" if that is not sure.

        A curve that fills has grown by more than the budget, and at its end by no more than the budget.
        """
        slope = self.slope
        if slope.high < 0.0:
            return "falling"
        if slope.low > self.budget:
            return "filling" if slope.is_slowing and slope.at_end <= self.budget else "growing"
        if slope.high > self.budget:
            return "unclear"
        return "flat" if slope.low <= 0.0 else "as budgeted"


def slope_of(points: Sequence[Point], *, unit: float = 3600.0) -> Slope | None:
    """Fit a line through the means of ten blocks, and a parabola; None for fewer than three blocks.

    Samples a second apart resemble each other, and so would make the interval far too narrow; means of long blocks
    hardly do.

    Args:
        points: The samples.
        unit: Over how much of their first coordinate the growth is given; by default an hour of seconds.

    Source:
        Law, Simulation Modeling and Analysis, 5th edition, section 9.5.3 (batch means).
    """
    size = max(1, len(points) // N_BLOCKS)
    blocks = [points[start : start + size] for start in range(0, len(points) - size + 1, size)]
    x = np.array([statistics.fmean(at for at, _ in block) / unit for block in blocks])
    y = np.array([statistics.fmean(value for _, value in block) for block in blocks])
    if len(np.unique(x)) < 3:
        return None
    from_middle = x - x.mean()
    (_, slope), (_, half) = _fitted(np.stack([np.ones_like(x), from_middle], axis=1), y)
    at_end, is_slowing = float(slope), False
    if len(x) > 3:
        (_, steep, bend), (_, _, bend_half) = _fitted(np.stack([from_middle**n for n in range(3)], axis=1), y)
        at_end, is_slowing = float(steep + 2 * bend * from_middle[-1]), bool(abs(bend) > bend_half and bend * slope < 0)
    return Slope(float(slope), float(slope - half), float(slope + half), float(y.mean()), at_end, is_slowing)


def _fitted(design: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Fit by least squares; return the coefficients, and the half widths of their 95 % intervals."""
    inverse = np.linalg.pinv(design.T @ design)
    found = inverse @ design.T @ y
    n_free = len(y) - design.shape[1]
    variance = float(((y - design @ found) ** 2).sum()) / n_free
    return found, float(student.ppf(0.975, n_free)) * np.sqrt(variance * np.diag(inverse))


@dataclass(frozen=True)
class Levels:
    """The level of a curve at its beginning, where its judged part begins, and at its end."""

    start: float
    middle: float
    end: float


def levels_of(points: Sequence[Point], since: float) -> Levels:
    """Return the means of ten samples each."""
    values = [value for _, value in points]
    judged = next((index for index, (at, _) in enumerate(points) if at >= since), 0)
    parts = values[:N_BLOCKS], values[judged : judged + N_BLOCKS], values[-N_BLOCKS:]
    return Levels(*map(statistics.fmean, parts))


class Curves:
    """The curves of all processes, and of the disk."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._cpu: dict[int, tuple[float, float]] = {}
        self.points: dict[str, list[Point]] = defaultdict(list)
        self.marks: list[tuple[float, str]] = []
        self.rounds: list[float] = []
        """When each round began."""

    def seconds(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self._began

    def mark(self, word: str) -> None:
        """Note an event, such as a kill."""
        self.marks.append((self.seconds(), word))

    def sample(self, processes: Mapping[str, int], workspace: Path) -> None:
        """Measure every process that lives, its children apart, and the bytes of the workspace."""
        now = self.seconds()
        for name, pid in processes.items():
            try:
                process = psutil.Process(pid)
                with process.oneshot():
                    memory, n_descriptors = process.memory_info().rss, process.num_fds()
                children = process.children(recursive=True)
                cpu = self._cpu_percent(pid, process)
            except psutil.Error:
                continue  # it was just killed
            living = [found for found in map(_memory_and_descriptors, children) if found is not None]
            of_children = sum(of_child for of_child, _ in living)
            values = {
                "memory, MiB": memory / 2**20,
                "own memory, MiB": _own_memory(pid),
                "children memory, MiB": of_children / 2**20 if children else None,
                "descriptors": n_descriptors + sum(n for _, n in living),
                "children": len(children),
                "zombies": sum(map(_is_zombie, children)),
                "CPU, %": cpu,
            }
            for what, value in values.items():
                if value is not None:
                    self.points[f"{name} {what}"].append((now, value))
        self.points["disk, MiB"].append((now, _bytes_below(workspace) / 2**20))
        state = (workspace / "state").glob("*.json")
        self.points[STATE_FILES].append((now, sum(map(_size, state)) / 2**20))

    def samples(self, since: float) -> dict[str, object]:
        """Return everything that was measured, to be judged again or compared."""
        return {"points": self.points, "rounds": self.rounds, "marks": self.marks, "since": since}

    def slopes(self, since: float) -> dict[str, Slope]:
        """Return the slope of every curve from an instant on."""
        found = {name: slope_of([point for point in points if point[0] >= since]) for name, points in self._sorted()}
        return {name: slope for name, slope in found.items() if slope is not None}

    def growth_a_round(self, since: float) -> dict[str, RoundGrowth]:
        """Return how every memory curve has grown from an instant on, by the rounds.

        Time passes without changes, more or less of it on a busy machine; what a process keeps of each change, it keeps
        for good.
        """
        if not self.rounds:
            return {}
        of_files = self._slope_by_rounds(self.points[STATE_FILES], since)
        of_changes = BUDGET_KIB_A_ROUND + max(0.0, of_files.growth if of_files else 0.0)
        found = {}
        for name, points in self._sorted():
            if name.endswith("memory, MiB") and "children" not in name:
                slope = self._slope_by_rounds(points, since)
                if slope is not None:
                    filling = self._filling(name.partition(" ")[0], since, points[-1][0])
                    found[name] = RoundGrowth(levels_of(points, since), slope, of_changes + filling, filling)
        return found

    def _filling(self, process: str, since: float, until: float) -> float:
        """Return how many KiB of its windows a process has filled in each round of an interval."""
        start = max((at for at, word in self.marks if word.endswith(process) and at <= since), default=0.0)
        kib = sum(window.filled(start, since, until) for window in WINDOWS.get(process, ()))
        return kib / max(1, sum(since <= at <= until for at in self.rounds))

    def _slope_by_rounds(self, points: Sequence[Point], since: float) -> Slope | None:
        """Return the growth of a curve of MiB in KiB a round."""
        at = np.interp([at for at, _ in points], self.rounds, range(len(self.rounds)))
        placed = zip(at, points, strict=True)
        return slope_of([(float(x), 1024 * value) for x, (at, value) in placed if at >= since], unit=1.0)

    def picture(self, since: float) -> str:
        """Draw every curve as one SVG, kills as lines, and the judged part darker."""
        curves = self._sorted()
        width, height = 360, 120
        rows = -(-len(curves) // 3)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{3 * width}" height="{rows * height}" '
            'font-family="sans-serif" font-size="11">',
            '<rect width="100%" height="100%" fill="white"/>',
        ]
        for index, (name, points) in enumerate(curves):
            x, y = index % 3 * width, index // 3 * height
            parts.append(f'<g transform="translate({x + 10},{y + 16})">{self._panel(name, points, since)}</g>')
        return "\n".join([*parts, "</svg>"])

    def _sorted(self) -> list[tuple[str, list[Point]]]:
        return sorted(self.points.items(), key=lambda curve: (curve[0].rpartition(" ")[2], curve[0]))

    def _panel(self, name: str, points: Sequence[Point], since: float) -> str:
        width, height = 330.0, 84.0
        end = max(self.seconds(), 1.0)
        low, high = min(value for _, value in points), max(value for _, value in points)
        span = (high - low) or 1.0

        def place(point: Point) -> str:
            return f"{point[0] / end * width:.1f},{height - (point[1] - low) / span * height:.1f}"

        def line(part: Iterable[Point], colour: str) -> str:
            return f'<polyline fill="none" stroke="{colour}" points="{" ".join(map(place, part))}"/>'

        kills = "".join(
            f'<line x1="{at / end * width:.1f}" x2="{at / end * width:.1f}" y1="0" y2="{height}" stroke="#ddd">'
            f"<title>{word}</title></line>"
            for at, word in self.marks
        )
        early, late = [p for p in points if p[0] <= since], [p for p in points if p[0] >= since]
        title = f'<text y="-4">{name}: {low:.1f} to {high:.1f}</text>'
        return title + kills + line(early, "#9ab") + line(late, "#036")

    def _cpu_percent(self, pid: int, process: psutil.Process) -> float | None:
        times = process.cpu_times()
        now, used = time.monotonic(), times.user + times.system + times.children_user + times.children_system
        before = self._cpu.get(pid)
        self._cpu[pid] = now, used
        return None if before is None or now == before[0] else 100 * (used - before[1]) / (now - before[0])


def _own_memory(pid: int) -> float | None:
    """Return the MiB of a process that are no pages of files: what it keeps, and freed memory that it has not returned.

    Source:
        The Linux manual, proc_pid_smaps(5), "Anonymous".
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None  # another system, or it has ended
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Anonymous:")), None)


def _memory_and_descriptors(process: psutil.Process) -> tuple[int, int] | None:
    try:
        return process.memory_info().rss, process.num_fds()
    except psutil.Error:
        return None  # it has ended


def _is_zombie(process: psutil.Process) -> bool:
    """Whether a child has ended, and nobody has waited for it."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0  # replaced meanwhile


def _bytes_below(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_blocks * 512
            except OSError:
                continue  # replaced meanwhile
    return total
