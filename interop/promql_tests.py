"""Run Prometheus' own evaluator tests through BondX's evaluator.

    python interop/promql_tests.py FOLDER [--show 20]

FOLDER holds the `*.test` files of Prometheus (`promql/promqltest/testdata`); they are not part of this repository. A
case is outside of our subset where its expression is refused at parse although Prometheus evaluates it, and where it is
about native histograms, start timestamps or annotations. The files of feature flags (delayed removal of names, labels
of type and unit) are skipped.
"""

import argparse
import math
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from core.promql import STALE, Expression, PromqlError, SeriesInMemory, SeriesLabels, SeriesSamples, VectorSample
from core.promql.series import NAME

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
_EVALUATE = re.compile(
    r"eval(?P<kind>_fail|_warn|_info|_ordered)?\s+(?:instant at (?P<at>\S+)|"
    r"range from (?P<from>\S+) to (?P<to>\S+) step (?P<step>\S+))"
    r"\s+(?P<text>.*)", re.DOTALL,
)  # fmt: skip
_FLAGS = {"name_label_dropping", "type_and_unit"}
_OUTSIDE = re.compile(r"\{\{|@st|_with_nhcb")


class OutsideSubsetError(Exception):
    """A case is about what BondX does not have."""


def milliseconds(text: str) -> int:
    """Read a duration: `5m`, `1h30m`, or seconds."""
    sign = -1 if text.startswith("-") else 1
    parts = re.findall(r"([\d.]+)(ms|[smhdwy])", text.lstrip("-"))
    if not parts:
        return round(float(text) * 1000)
    return sign * round(sum(float(number) * _UNITS[unit] for number, unit in parts))


def read_labels(text: str) -> SeriesLabels:
    """Read `name{a="b"}`."""
    name, _, rest = text.partition("{")
    pairs = {}
    if name.strip():
        pairs[NAME] = name.strip()
    for found in re.finditer(
        r'("(?:[^"\\]|\\.)*"|[\w.]+)\s*=\s*("(?:[^"\\]|\\.)*"|\'[^\']*\'|`[^`]*`)|("(?:[^"\\]|\\.)*")', rest
    ):
        if found[3]:
            pairs[NAME] = _unquoted(found[3])
        else:
            pairs[_unquoted(found[1]) if found[1].startswith('"') else found[1]] = _unquoted(found[2])
    return tuple(sorted(pair for pair in pairs.items() if pair[1]))


def _unquoted(text: str) -> str:
    body = text[1:-1]
    if text[0] == "`":
        return body
    simple = {"n": "\n", "t": "\t", "\\": "\\", '"': '"', "'": "'"}
    return re.sub(r"\\(.)", lambda found: simple.get(found[1], found[1]), body)


def read_points(text: str) -> list[float | None]:
    """Read `1 2+3x4 _ stale`; None is no sample."""
    points: list[float | None] = []
    for word in text.split():
        if found := re.fullmatch(r"_(?:x(\d+))?", word):
            points += [None] * int(found[1] or 1)
        elif word == "stale":
            points.append(STALE)
        elif found := re.fullmatch(
            r"(?P<from>[+-]?(?:\d[\d.]*(?:e[+-]?\d+)?|NaN|Inf))(?P<add>[+-](?:[\d.]+(?:e[+-]?\d+)?|Inf|NaN))?x(?P<n>\d+)",
            word,
            re.IGNORECASE,
        ):
            start, add, n = float(found["from"]), float(found["add"] or 0), int(found["n"])
            points += (
                [start + add * at if found["add"] else start for at in range(n + 1)]
                if "Inf" not in (found["add"] or "")
                else [start] * (n + 1)
            )
        else:
            points.append(float(int(word, 16)) if word.lower().startswith("0x") else float(word))
    return points


def split_series(line: str) -> tuple[str, str]:
    """Part the labels of a line from its points."""
    in_quotes, depth = "", 0
    for at, character in enumerate(line):
        if in_quotes:
            if character == in_quotes and line[at - 1] != "\\":
                in_quotes = ""
        elif character in "\"'`":
            in_quotes = character
        elif character in "{}":
            depth += 1 if character == "{" else -1
        elif character in " \t" and not depth:
            rest = line[at:].strip()
            if rest.startswith("{") and not rest.startswith("{{"):
                continue
            return line[:at], rest
    return line, ""


class Reader:
    """Reads a file of tests, and runs its cases."""

    def __init__(self) -> None:
        self.series: dict[SeriesLabels, tuple[list[int], list[float]]] = {}
        self.is_outside = False  # data that we cannot hold were loaded
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.refusals: Counter[str] = Counter()

    def run(self, path: Path) -> None:
        """Run the cases of a file."""
        self.series, self.is_outside = {}, False
        self.lines = [
            (number, line)
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
            if not line.strip().startswith("#")
        ]
        at = 0
        while at < len(self.lines):
            number, line = self.lines[at]
            block = []
            at += 1
            if not line.strip():
                continue
            while (
                at < len(self.lines)
                and self.lines[at][1].strip()
                and not re.match(r"(eval|load|clear)\b", self.lines[at][1])
            ):
                block.append(self.lines[at][1].strip())
                at += 1
            if line.startswith("clear"):
                self.series, self.is_outside = {}, False
            elif line.startswith("load"):
                self.load(line, block)
            elif line.startswith("eval"):
                self.judge(f"{path.name}:{number}", line, block)

    def load(self, line: str, block: list[str]) -> None:
        """Take the series of a `load`."""
        words = line.split()
        if words[0] != "load":
            self.is_outside = True
            words[0] = "load"
        step = milliseconds(words[1])
        for text in block:
            if _OUTSIDE.search(text):
                self.is_outside = True
                continue
            name, points = split_series(text)
            times, values = self.series.setdefault(read_labels(name), ([], []))
            for at, point in enumerate(read_points(points)):
                if point is not None:
                    times.append(at * step)
                    values.append(point)

    def source(self) -> SeriesInMemory:
        """Return the loaded series."""
        found = []
        for labels, (times, values) in self.series.items():
            order = np.argsort(np.array(times, dtype=np.int64), kind="stable")
            found.append(SeriesSamples(labels, np.array(times, dtype=np.int64)[order], np.array(values)[order]))
        return SeriesInMemory(found)

    def judge(self, place: str, line: str, block: list[str]) -> None:
        """Run one case."""
        found = _EVALUATE.match(line)
        if found is None:
            self.counts["outside"] += 1
            return
        expects = [text for text in block if text.startswith("expect")]
        rows = [text for text in block if not text.startswith("expect")]
        must_fail = found["kind"] == "_fail" or any(text.startswith("expect fail") for text in expects)
        is_ordered = found["kind"] == "_ordered" or "expect ordered" in expects
        if any(_OUTSIDE.search(text) for text in rows) or any("expect range vector" in text for text in expects):
            self.counts["outside"] += 1
            return
        try:
            expression = Expression.parse(found["text"].strip())
        except PromqlError as error:
            if must_fail:
                self.counts["passed"] += 1
            else:
                self.counts["outside"] += 1
                self.refusals[f"{error.message[:90]}"] += 1
                if "not evaluated by BondX" not in error.message:
                    self.failures.append(f"REFUSED {place}: {found['text']}: {error}")
            return
        fault = self._fault(expression, found, rows, expects, must_fail=must_fail, is_ordered=is_ordered)
        if fault and self.is_outside:
            self.counts["outside"] += 1
        elif fault:
            self.counts["failed"] += 1
            self.failures.append(f"{place}: {found['text']}: {fault}")
        else:
            self.counts["passed"] += 1

    def _fault(
        self,
        expression: Expression,
        found: "re.Match[str]",
        rows: list[str],
        expects: list[str],
        *,
        must_fail: bool,
        is_ordered: bool,
    ) -> str:
        try:
            if found["at"]:
                result = expression.at(self.source(), milliseconds(found["at"]))
            else:
                start, end, step = (milliseconds(found[name]) for name in ("from", "to", "step"))
                result_range = expression.over(self.source(), start, end, step)
        except PromqlError as error:
            return "" if must_fail else f"failed: {error}"
        if must_fail:
            return "did not fail"
        if found["at"]:
            return self._instant_fault(result, rows, expects, is_ordered=is_ordered)
        wanted = {}
        for row in rows:
            name, points = split_series(row) if not re.match(r"[\d.+-]", row) else ("", row)
            wanted[read_labels(name)] = {
                start + at * step: point for at, point in enumerate(read_points(points)) if point is not None
            }
        got = {one.labels: dict(zip(one.at_ms.tolist(), one.values.tolist(), strict=True)) for one in result_range}
        if set(wanted) != set(got):
            return f"series {got} instead of {wanted}"
        for labels, points_of in wanted.items():
            if set(points_of) != set(got[labels]) or not all(
                _is_close(value, got[labels][at]) for at, value in points_of.items()
            ):
                return f"{labels}: {got[labels]} instead of {points_of}"
        return ""

    def _instant_fault(
        self, result: list[VectorSample] | float | str, rows: list[str], expects: list[str], *, is_ordered: bool
    ) -> str:
        if isinstance(result, str):
            texts = [
                _unquoted(text.removeprefix("expect string").strip())
                for text in expects
                if text.startswith("expect string")
            ] or [_unquoted(row) for row in rows]
            return "" if texts == [result] else f"{result!r} instead of {texts}"
        if isinstance(result, float):
            value = read_points(rows[0])[0] if rows else None
            return "" if value is not None and _is_close(value, result) else f"{result} instead of {value}"
        wanted = [(read_labels(name), read_points(points)[0]) for name, points in map(split_series, rows)]
        if len(wanted) != len(result):
            return f"{result} instead of {wanted}"
        if is_ordered and [labels for labels, _ in wanted] != [one.labels for one in result]:
            return f"order {result} instead of {wanted}"
        got = {one.labels: one.value for one in result}
        for labels, value in wanted:
            if labels not in got or value is None or not _is_close(value, got[labels]):
                return f"{result} instead of {wanted}"
        return ""


def _is_close(wanted: float, got: float) -> bool:
    if math.isnan(wanted) or math.isnan(got):
        return math.isnan(wanted) and math.isnan(got)
    return (
        wanted == got
        or abs(wanted - got) <= 1e-6 * max(abs(wanted), abs(got))
        or (abs(wanted) < 1e-300 and abs(got) < 1e-300)
    )


def main() -> int:
    """Run all files, and print what passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--show", type=int, default=20, help="show at most N failures")
    arguments = parser.parse_args()
    total: Counter[str] = Counter()
    failures = []
    for path in sorted(arguments.folder.glob("*.test")):
        if path.stem in _FLAGS:
            continue
        reader = Reader()
        reader.run(path)
        total += reader.counts
        failures += reader.failures
        print(f"{path.name}: {dict(reader.counts)}")
    for failure in failures[: arguments.show]:
        print(failure)
    judged = total["passed"] + total["failed"]
    print(f"{total['passed']} of {judged} cases within the subset pass; {total['outside']} are outside of it")
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
