"""The same series in a real Prometheus give the same results."""

import json
import math
import random
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest

from core.promql import Expression, PromqlError, SeriesInMemory, SeriesSamples
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS, until

PROGRAM, TOOL = shutil.which("prometheus"), shutil.which("promtool")
pytestmark = pytest.mark.skipif(not PROGRAM or not TOOL, reason="needs prometheus and promtool")
START = 1_700_000_000_000
N_STEPS = 120
# Not `atan2`: before version 3 its result kept the name of its left side.
EXPRESSIONS = [
    "c", "g", "c offset 5m", "g offset -2m", "sum(c)", "sum by (job) (g)", "avg without (i) (g)", "min(g)", "max(g)",
    "count(g)", "stddev(g)", "stdvar(g)", "quantile(0.3, g)", "topk(2, g)", "bottomk(2, g)", "group(g)",
    'count_values("v", floor(g))', "irate(c[5m])", "idelta(g[5m])", "avg_over_time(g[5m])", "min_over_time(g[5m])",
    "max_over_time(g[5m])", "sum_over_time(g[5m])", "count_over_time(g[5m])", "quantile_over_time(0.9, g[5m])",
    "stddev_over_time(g[5m])", "stdvar_over_time(g[5m])", "last_over_time(g[5m])", "present_over_time(g[5m])",
    "absent(g)", 'absent(none{a="b"})', 'absent_over_time(none{a="b"}[5m])', "changes(g[5m])", "resets(c[10m])",
    "deriv(g[10m])", "predict_linear(g[10m], 600)", "delta(g[5m])", "g + 1", "g - g", "g * 2", "g / g", "g % 3",
    "rate(c[5m])", "increase(c[5m])", "g ^ 2",
    "g > 5", "g > bool 5", "c and g", "c or g", "g unless on (i) g > 5", "c * on (i) g",
    "g / on (job) group_left sum by (job) (g)", "histogram_quantile(0.9, b_bucket)", "clamp(g, 2, 5)", "round(g, 0.5)",
    "sgn(g - 5)", "sqrt(g)", "ln(g)", 'label_replace(g, "z", "$1-x", "i", "(.).*")',
    'label_join(g, "z", "-", "i", "job")',
    "max_over_time(sum(g)[10m:1m])", "time() - timestamp(g)", "vector(scalar(sum(g)))", "hour()", 'g{i=~"[12]"}',
    "day_of_year(c)", "-g", "g @ 1700001000", "c + g", "g + on (job) g",
]  # fmt: skip


def made_series() -> list[SeriesSamples]:
    """Make counters with resets, gauges with gaps, and a histogram."""
    chance = random.Random(4)
    series = []
    for i in range(4):
        labels = {"i": str(i), "job": "ab"[i % 2]}
        count, counts, gauges = 0.0, [], []
        for step in range(N_STEPS):
            at_ms = START + step * 15_000 + i * 1_000
            count = 0.0 if chance.random() < 0.03 else count + chance.randrange(9)
            counts.append((at_ms, count))
            if not 40 <= step < 40 + 15 * i:
                gauges.append((at_ms, round(chance.uniform(0, 10), 3)))
        series += [made("c", labels, counts), made("g", labels, gauges)]
    for bound, share in (("1", 1), ("5", 3), ("+Inf", 4)):
        series.append(made("b_bucket", {"le": bound}, [(START + s * 15_000, float(share * s)) for s in range(N_STEPS)]))
    return series


def made(name: str, labels: dict[str, str], samples: list[tuple[int, float]]) -> SeriesSamples:
    """Make a series of its samples."""
    at_ms, values = zip(*samples, strict=True)
    return SeriesSamples(tuple(sorted({"__name__": name, **labels}.items())), np.array(at_ms), np.array(values))


def written(series: list[SeriesSamples]) -> str:
    """Write series as OpenMetrics."""
    lines = []
    for one in series:
        labels = dict(one.labels)
        name = labels.pop("__name__")
        inner = ",".join(f'{key}="{value}"' for key, value in labels.items())
        lines += [
            f"{name}{{{inner}}} {v} {t / 1000}" for t, v in zip(one.at_ms.tolist(), one.values.tolist(), strict=True)
        ]
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "series.txt").write_text(written(made_series()), encoding="utf-8")
    (folder / "prometheus.yml").write_text("{}", encoding="utf-8")
    blocks = [TOOL, "tsdb", "create-blocks-from", "openmetrics", folder / "series.txt", folder / "db"]
    subprocess.run(blocks, check=True, capture_output=True)

    port = free_port()
    process = subprocess.Popen(
        [PROGRAM, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'db'}",
         f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=100y"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def is_ready() -> bool:
        assert process.poll() is None, "Prometheus has ended"
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=PATIENCE_SECONDS).status == 200
        except OSError:
            return False

    try:
        until(is_ready, "Prometheus")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def asked(address: str, text: str, at_ms: int) -> object:
    """Ask Prometheus; None where it refuses."""
    query = urllib.parse.urlencode({"query": text, "time": at_ms / 1000})
    try:
        with urllib.request.urlopen(f"{address}/api/v1/query?{query}", timeout=PATIENCE_SECONDS) as answer:
            data = json.load(answer)["data"]
    except urllib.error.HTTPError:
        return None
    if data["resultType"] == "scalar":
        return {(): float(data["result"][1])}
    return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in data["result"]}


def evaluated(source: SeriesInMemory, text: str, at_ms: int) -> object:
    """Evaluate it ourselves; None where we refuse."""
    try:
        result = Expression.parse(text).at(source, at_ms)
    except PromqlError:
        return None
    if isinstance(result, float):
        return {(): result}
    return {one.labels: one.value for one in result}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_has_the_value_that_prometheus_gives_it(address, text):
    source = SeriesInMemory(made_series())
    # Off the samples' own times: before version 3 a range held a sample at its left end, too.
    # A counter that begins within the range is extrapolated otherwise before version 3.
    first_ms = START + 7_500 + (300_000 if text.startswith(("rate", "increase")) else 0)
    for at_ms in range(first_ms, START + (N_STEPS + 30) * 15_000, 127_000):
        theirs, ours = asked(address, text, at_ms), evaluated(source, text, at_ms)
        assert (theirs is None) == (ours is None)
        if theirs is not None:
            assert set(theirs) == set(ours)
            for labels, value in theirs.items():
                assert math.isclose(value, ours[labels], rel_tol=1e-9, abs_tol=1e-9) or (
                    math.isnan(value) and math.isnan(ours[labels])
                )


PIECES = [
    "\\", "\\\\", "\\n", "\\x4", "1", "\\xc3\\xa9", "\\101", "\\377", "\\u00e9", "\\U0001F600", "\\ud800", "\\8",
    "é", '"', "'", "`", "\\'", '\\"', "\\`", "d", ".", "\n", "\r", "#", "\N{REPLACEMENT CHARACTER}", "\\z", "\\40",
]  # fmt: skip
STRINGS = [
    r'"a\\d"', r"`a\d`", r"`a\\d`", r"'a\'b'", r'"\'"', r"`\`", "``", '"', "`a\nb`", '"a\nb"', r'"\a\b\f\n\r\t\v\\"',
    r'"\x41\u00e9\U0001F600\101"', r'"\xff"', r'"\400"', r'"\ud800"', r'"\U00110000"', r'"\x4"', r'"\z"', '"a#b"',
]  # fmt: skip


def read_string(written: str) -> tuple[object, PromqlError | None]:
    """Return the series that Prometheus gives back the string with, or our refusal."""
    try:
        return Expression.parse(written).at(SeriesInMemory([]), START), None
    except PromqlError as error:
        return None, error


def test_a_string_is_read_as_prometheus_reads_it(address):
    chance = random.Random(7)
    quotes = chance.choices("\"'`", k=600)
    made = [quote + "".join(chance.choices(PIECES, k=chance.randrange(6))) + quote for quote in quotes]
    for written in [*STRINGS, *made]:
        text = f'label_replace(vector(1), "z", {written}, "", "") # " `'
        theirs = asked(address, text, START)
        ours, refused = read_string(text)
        if refused is None:
            assert theirs == {one.labels: one.value for one in ours}, written
            continue
        assert refused.offset is not None, written
        if theirs is not None:  # bytes that are no UTF-8: a Prometheus answers with a stand-in, which matches no label
            assert "\N{REPLACEMENT CHARACTER}" in str(theirs), written
            assert "no UTF-8" in refused.message
