"""One catalogue of metrics: the page has its table, it names every metric, and names keep the conventions."""

import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.clock import utc_now
from core.metrics.catalogue import CATALOGUE
from core.metrics.metric import CounterMetric, GaugeMetric
from core.serving.counts import Counts
from core.serving.metrics import ServingMetrics
from core.telemetry import TelemetryWriter
from core.view.source import take_snapshot
from tests.monitored import monitored
from tests.stressed import stressed
from tools.demo import make_demo
from tools.metrics_page import PAGE, page

CORE = Path(__file__).parents[3] / "core"
NOT_OURS = ("process_", "python_")


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> str:
    """The metrics of a workspace in use."""
    workspace = make_demo(tmp_path_factory.mktemp("demo") / "desk", now=utc_now())
    monitored(workspace, "spread")
    stressed(workspace, "spread@1.2.0")
    with TelemetryWriter(workspace.telemetry_file) as telemetry:
        telemetry.add("disk.days_until_full", utc_now(), 90.0)
    usage = SimpleNamespace(n_unmatched=0, models=[SimpleNamespace(model="spread", n_rows=2)], bytes_per_row=100)
    metrics = ServingMetrics(workspace, Counts, SimpleNamespace(usage=lambda: usage), lambda: take_snapshot(workspace))
    return metrics.text().decode()


def test_the_page_is_what_the_catalogue_says():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tools.metrics_page"


def test_no_module_names_a_metric_beside_the_catalogue():
    named = {
        file.name for file in CORE.rglob("*.py") if re.search(r"MetricFamily\(\s*\"", file.read_text(encoding="utf-8"))
    }
    assert named == set()


def test_every_metric_that_is_sent_stands_in_the_catalogue_with_its_labels_and_meaning(text):
    known = {spec.name: spec for spec in CATALOGUE}
    families = [each for each in text_string_to_metric_families(text) if not each.name.startswith(NOT_OURS)]
    assert len(families) > 60
    for family in families:
        spec = known[family.name]
        assert (family.type, family.documentation) == (spec.kind, spec.meaning)
        for sample in family.samples:
            if not sample.name.endswith(("_bucket", "_created")):
                assert set(sample.labels) == set(spec.labels)
    assert set(known) - {family.name for family in families} == set()


@pytest.mark.parametrize("spec", CATALOGUE, ids=lambda spec: spec.name)
def test_names_keep_the_conventions_of_prometheus(spec):
    assert re.fullmatch(r"bondx(_[a-z0-9]+)+", spec.name)
    assert spec.meaning[0].isupper() or spec.meaning[0].isdigit()
    assert spec.meaning.endswith(".")
    assert not isinstance(spec, CounterMetric) or not spec.name.endswith("_total"), "the client adds it"
    assert not isinstance(spec, GaugeMetric) or not spec.name.endswith("_total_bytes_total")
    assert len({each.name for each in CATALOGUE}) == len(CATALOGUE)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus is not installed here")
def test_promtool_finds_nothing_wrong(text):
    checked = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True)
    assert checked.returncode in (0, 3), checked.stderr  # 3: matters of taste
    of_ours = [line for line in checked.stderr.decode().splitlines() if line.startswith("bondx_session_")]
    assert of_ours == [], "the metrics of training have no matters of taste either"
