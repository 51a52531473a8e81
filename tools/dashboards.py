"""The dashboards for Grafana, `deploy/grafana/dashboards/`, written from the panels below.

`python -m tools.dashboards` writes them again; a test compares them, reads every expression, holds every name against
the catalogue of metrics, and asks a real Prometheus each question.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parents[1] / "deploy" / "grafana" / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
MODEL = 'model=~"$model"'
_WIDTH, _HEIGHT, _PER_ROW = 8, 8, 3
_SCHEMA = 39  # of Grafana 10 and later


class Query(NamedTuple):
    """One expression, and what its series are called."""

    expr: str
    legend: str


class Panel(NamedTuple):
    """A drawing of some expressions."""

    title: str
    meaning: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: str = "timeseries"  # timeseries, stat, table


class Dashboard(NamedTuple):
    """A page of panels."""

    name: str
    title: str
    panels: tuple[Panel, ...]
    by_model: bool = False


def _panel(title: str, meaning: str, *queries: tuple[str, str], unit: str = "short", kind: str = "timeseries") -> Panel:
    return Panel(title, meaning, tuple(Query(*query) for query in queries), unit, kind)


TRAINING = Dashboard(
    "training-overview",
    "BondX: training overview",
    (
        _panel("Sessions", "Sessions by phase.", ("sum by (phase) (bondx_sessions)", "{{phase}}"), kind="stat"),
        _panel(
            "Epoch",
            "Epoch of each session, and the epoch at which it ends at the latest.",
            ("bondx_session_epoch", "{{session}}"),
            ("bondx_session_epoch_limit", "{{session}} limit"),
        ),
        _panel(
            "Could end it first",
            "The reason that could end each session first, and the epoch.",
            ("bondx_session_end_epoch and bondx_session_ends_first", "{{session}} {{reason}}"),
            kind="table",
        ),
        _panel(
            "Score",
            "Score of the newest epoch, and the best score.",
            ("bondx_session_score", "{{session}}"),
            ("bondx_session_best_score", "{{session}} best"),
            unit="percentunit",
        ),
        _panel(
            "Attainment",
            "Share of the best attainable score, by model.",
            ("bondx_session_attainment_ratio", "{{session}} {{model}}"),
            unit="percentunit",
        ),
        _panel(
            "Criteria that are met",
            "1 while a criterion speaks for the end of the session.",
            ("bondx_session_criterion_met", "{{session}} {{criterion}}"),
        ),
        _panel("Epoch duration", "Time of the newest epoch.", ("bondx_session_epoch_seconds", "{{session}}"), unit="s"),
        _panel(
            "Time without progress",
            "Time since each session last made progress.",
            ("time() - bondx_session_progress_timestamp_seconds", "{{session}}"),
            unit="s",
        ),
        _panel(
            "Time left", "Until the epoch limit, as estimated.", ("bondx_session_eta_seconds", "{{session}}"), unit="s"
        ),
        _panel(
            "Skipped and failed epochs",
            "In the last hour: epochs whose data failed a gate, and attempts that failed.",
            ("increase(bondx_session_skipped_epochs_total[1h])", "{{session}} skipped"),
            ("increase(bondx_session_failed_attempts_total[1h])", "{{session}} failed"),
        ),
    ),
)
SYSTEM = Dashboard(
    "system-health",
    "BondX: system health",
    (
        _panel(
            "Up",
            "1 while the server answers, the engine works, and the workspace can be written.",
            ("min(bondx_ready)", "server"),
            ("max(bondx_engine_up)", "engine"),
            ("min(bondx_workspace_writable)", "workspace"),
            kind="stat",
        ),
        _panel(
            "Open alerts",
            "By rule and severity.",
            ("sum by (rule, severity, state) (bondx_alerts)", "{{rule}} {{severity}} {{state}}"),
            kind="table",
        ),
        _panel("Files that cannot be read", "State files.", ("sum(bondx_state_problems)", "files"), kind="stat"),
        _panel(
            "CPU of the machine",
            "Share that is not idle.",
            (
                '1 - sum by (instance) (rate(bondx_machine_cpu_seconds_total{mode=~"idle|iowait"}[$__rate_interval])) '
                "/ sum by (instance) (rate(bondx_machine_cpu_seconds_total[$__rate_interval]))",
                "{{instance}}",
            ),
            unit="percentunit",
        ),
        _panel(
            "Memory of the machine",
            "Share in use.",
            ("bondx_machine_memory_used_bytes / bondx_machine_memory_total_bytes", "{{instance}}"),
            unit="percentunit",
        ),
        _panel(
            "Disk of the workspace",
            "Share that is free.",
            ("bondx_machine_disk_free_bytes / bondx_machine_disk_total_bytes", "{{instance}}"),
            unit="percentunit",
        ),
        _panel(
            "Disk full in", "Days, as the engine estimates.", ("bondx_machine_disk_full_days", "{{instance}}"), unit="d"
        ),
        _panel(
            "Network",
            "Bytes a second.",
            ("rate(bondx_machine_network_received_bytes_total[$__rate_interval])", "{{instance}} received"),
            ("rate(bondx_machine_network_sent_bytes_total[$__rate_interval])", "{{instance}} sent"),
            unit="Bps",
        ),
        _panel("CPU of the engine", "Cores, by process.", ("bondx_engine_cpu_ratio", "{{role}}"), unit="percentunit"),
        _panel(
            "Memory of the engine",
            "Resident memory, by process.",
            ("bondx_engine_resident_memory_bytes", "{{role}}"),
            unit="bytes",
        ),
        _panel(
            "Recording",
            "Predictions and outcomes that wait, and that were dropped in the last hour.",
            ("bondx_telemetry_waiting", "{{instance}} waiting"),
            ("increase(bondx_telemetry_dropped_total[1h])", "{{instance}} dropped"),
        ),
        _panel(
            "Stored predictions",
            "Bytes on the disk.",
            ("sum by (model) (bondx_predictions_stored_bytes)", "{{model}}"),
            unit="bytes",
        ),
    ),
)
QUALITY = Dashboard(
    "data-quality",
    "BondX: data quality",
    (
        _panel(
            "Quality score",
            "Of the newest epoch's data.",
            ("bondx_session_quality_ratio", "{{session}}"),
            unit="percentunit",
        ),
        _panel(
            "Gates",
            "Gates of the newest epoch, by result.",
            ("sum by (result) (bondx_session_gates)", "{{result}}"),
        ),
        _panel("Failed gates", "By name.", ("bondx_session_gate_failed == 1", "{{session}} {{gate}}"), kind="table"),
        _panel(
            "Unfamiliar values",
            "Values a second outside the training data, by field.",
            (
                f"topk(10, sum by (model, field) (rate(bondx_predict_unfamiliar_values_total{{{MODEL}}}"
                "[$__rate_interval])))",
                "{{model}} {{field}}",
            ),
        ),
        _panel(
            "Refused requests",
            "A second, by status.",
            (
                "sum by (dialect, status) (rate(bondx_predict_refused_total[$__rate_interval]))",
                "{{dialect}} {{status}}",
            ),
        ),
        _panel(
            "Outcomes",
            "A second, by what became of them.",
            ("sum by (state) (rate(bondx_outcomes_total[$__rate_interval]))", "{{state}}"),
        ),
        _panel(
            "Outcomes without prediction", "That wait for it.", ("sum(bondx_outcomes_waiting)", "waiting"), kind="stat"
        ),
        _panel(
            "Rows that drift does not count",
            "Dropped or without a profile, in the last hour.",
            (f"sum by (model) (increase(bondx_live_dropped_rows_total{{{MODEL}}}[1h]))", "{{model}} dropped"),
            (f"sum by (model) (increase(bondx_live_unprofiled_rows_total{{{MODEL}}}[1h]))", "{{model}} no profile"),
        ),
    ),
    by_model=True,
)
SERVING = Dashboard(
    "serving-and-rollouts",
    "BondX: serving and rollouts",
    (
        _panel(
            "Requests",
            "A second.",
            (
                f"sum by (model, version) (rate(bondx_predict_seconds_count{{{MODEL}}}[$__rate_interval]))",
                "{{model}} {{version}}",
            ),
            unit="reqps",
        ),
        _panel(
            "Latency",
            "Median and 99th percentile, from the first byte read.",
            (
                f"histogram_quantile(0.5, sum by (le, model) (rate(bondx_predict_seconds_bucket{{{MODEL}}}"
                "[$__rate_interval])))",
                "{{model}} p50",
            ),
            (
                f"histogram_quantile(0.99, sum by (le, model) (rate(bondx_predict_seconds_bucket{{{MODEL}}}"
                "[$__rate_interval])))",
                "{{model}} p99",
            ),
            unit="s",
        ),
        _panel(
            "Failures",
            "Share of the requests on which the model failed.",
            (
                f"sum by (model) (rate(bondx_predict_failures_total{{{MODEL}}}[$__rate_interval])) "
                f"/ sum by (model) (rate(bondx_predict_seconds_count{{{MODEL}}}[$__rate_interval]))",
                "{{model}}",
            ),
            unit="percentunit",
        ),
        _panel(
            "Rows",
            "A second.",
            (f"sum by (model) (rate(bondx_predict_rows_total{{{MODEL}}}[$__rate_interval]))", "{{model}}"),
        ),
        _panel("Live and ready", "1 while the live version answers.", (f"bondx_model_ready{{{MODEL}}}", "{{model}}")),
        _panel(
            "Loaded versions",
            "With their stage.",
            (f"bondx_version_loaded{{{MODEL}}}", "{{model}} {{version}} {{stage}}"),
            kind="table",
        ),
        _panel(
            "Memory of versions",
            "That loading took.",
            (f"bondx_version_memory_bytes{{{MODEL}}}", "{{model}} {{version}}"),
            unit="bytes",
        ),
        _panel(
            "Rollouts",
            "The phase of the newest rollout of each model.",
            (f"bondx_rollout_phase{{{MODEL}}} == 1", "{{rollout}} {{model}} {{candidate}} {{phase}}"),
            kind="table",
        ),
        _panel(
            "Traffic of the arms",
            "Share that each arm should answer.",
            (f"bondx_rollout_share{{{MODEL}}}", "{{rollout}} {{arm}}"),
            unit="percentunit",
        ),
        _panel(
            "Judged answers",
            "Of each arm, so far.",
            (f"bondx_rollout_answers_total{{{MODEL}}}", "{{rollout}} {{arm}}"),
        ),
        _panel(
            "Evidence of the guards",
            "As a share of what decides.",
            (f"bondx_rollout_evidence{{{MODEL}}}", "{{rollout}} {{guard}} {{of}}"),
            unit="percentunit",
        ),
        _panel(
            "Verdicts of the guards",
            "The verdict in force.",
            (f"bondx_rollout_verdict{{{MODEL}}} == 1", "{{rollout}} {{guard}} {{verdict}}"),
            kind="table",
        ),
    ),
    by_model=True,
)
DRIFT = Dashboard(
    "drift",
    "BondX: drift and performance",
    (
        _panel(
            "Health",
            "The state of each live version.",
            (f"bondx_model_health{{{MODEL}}} == 1", "{{model}} {{version}} {{state}}"),
            kind="table",
        ),
        _panel(
            "Reasons",
            "How far each source is beyond its limit.",
            (f"bondx_model_health_reason{{{MODEL}}}", "{{model}} {{source}}"),
        ),
        _panel(
            "Population stability index",
            "The ten columns that moved most, nats.",
            (f"topk(10, bondx_drift_psi{{{MODEL}}})", "{{model}} {{type}} {{feature}}"),
        ),
        _panel(
            "Evidence",
            "That a column has moved, as a share of what decides.",
            (f"topk(10, bondx_drift_evidence_ratio{{{MODEL}}})", "{{model}} {{feature}}"),
            unit="percentunit",
        ),
        _panel(
            "Verdicts",
            "Columns by verdict.",
            (f"sum by (model, verdict) (bondx_drift_verdict{{{MODEL}}} == 1)", "{{model}} {{verdict}}"),
        ),
        _panel("Counted rows", "For each verdict.", (f"bondx_drift_rows{{{MODEL}}}", "{{model}} {{version}}")),
        _panel(
            "Performance",
            "Each metric, from outcomes or estimated.",
            (f"bondx_model_performance{{{MODEL}}}", "{{model}} {{metric}} {{source}}"),
        ),
        _panel(
            "Interval of performance",
            "Lower and upper end.",
            (f"bondx_model_performance_low{{{MODEL}}}", "{{model}} {{metric}} low"),
            (f"bondx_model_performance_high{{{MODEL}}}", "{{model}} {{metric}} high"),
        ),
        _panel(
            "Budget for false alerts",
            "Acceptable in 30 days, and left.",
            ("bondx_drift_budget_alerts", "acceptable"),
            ("bondx_drift_budget_left_alerts", "left"),
        ),
        _panel(
            "Last look",
            "Time since the engine looked.",
            (f"time() - bondx_monitored_until_seconds{{{MODEL}}}", "{{model}} {{version}}"),
            unit="s",
        ),
    ),
    by_model=True,
)
STRESS = Dashboard(
    "stress",
    "BondX: stress tests",
    (
        _panel(
            "Worst case",
            "Largest loss of each portfolio, as a share of its value.",
            ("max by (portfolio) (-bondx_stress_pnl_ratio)", "{{portfolio}}"),
            unit="percentunit",
            kind="stat",
        ),
        _panel(
            "Losses by scenario",
            "At the severest of each, as a share of the portfolio's value.",
            ('-bondx_stress_pnl_ratio{severity="severe"}', "{{portfolio}} {{scenario}}"),
            unit="percentunit",
        ),
        _panel(
            "Cases",
            "The ten that lose most.",
            ("topk(10, -bondx_stress_pnl_ratio)", "{{portfolio}} {{scenario}} {{severity}}"),
            unit="percentunit",
            kind="table",
        ),
        _panel(
            "Impact",
            "From 0 to 1, the largest of each portfolio.",
            ("max by (portfolio) (bondx_stress_impact_ratio)", "{{portfolio}}"),
        ),
        _panel(
            "Age",
            "Time since the newest test of each portfolio.",
            ("bondx_stress_age_seconds", "{{portfolio}}"),
            unit="s",
        ),
        _panel("Stored tests", "How many there are.", ("max(bondx_stress_tests)", "tests"), kind="stat"),
        _panel(
            "Errors of models",
            "Against the truth of each scenario at its severest, as times that of calm.",
            (
                f'bondx_stress_model_error_ratio{{{MODEL}, severity="severe"}}',
                "{{model}} {{version}} {{scenario}}",
            ),
        ),
        _panel(
            "Attainment under stress",
            "The lowest of each version.",
            (f"min by (model, version) (bondx_stress_model_attainment_ratio{{{MODEL}}})", "{{model}} {{version}}"),
            unit="percentunit",
        ),
        _panel(
            "Gates under stress",
            "Scenarios whose rows fail quality gates.",
            (f"bondx_stress_model_failed_gates{{{MODEL}}} > 0", "{{model}} {{scenario}} {{severity}}"),
            kind="table",
        ),
    ),
    by_model=True,
)
DASHBOARDS = (TRAINING, SYSTEM, QUALITY, SERVING, DRIFT, STRESS)


def queries(dashboards: Sequence[Dashboard] = DASHBOARDS) -> Iterator[tuple[str, str, str]]:
    """Yield every expression as a Prometheus takes it, after the name of its dashboard and the title of its panel."""
    for dashboard in dashboards:
        for panel in dashboard.panels:
            for query in panel.queries:
                plain = query.expr.replace("$__rate_interval", "1m").replace("$model", ".*")
                yield dashboard.name, panel.title, plain


def spelled(dashboard: Dashboard) -> str:
    """Return the file of a dashboard."""
    return json.dumps(_json_of(dashboard), indent=2) + "\n"


def _json_of(dashboard: Dashboard) -> dict[str, Any]:
    variables: list[dict[str, Any]] = [{"name": "datasource", "type": "datasource", "query": "prometheus"}]
    if dashboard.by_model:
        variables.append(
            {
                "name": "model",
                "type": "query",
                "datasource": SOURCE,
                "query": {"query": "label_values(bondx_model_ready, model)", "refId": "models"},
                "includeAll": True,
                "allValue": ".*",
                "multi": True,
                "refresh": 2,
                "current": {"text": "All", "value": "$__all"},
            }
        )
    return {
        "uid": f"bondx-{dashboard.name}",
        "title": dashboard.title,
        "tags": ["bondx"],
        "schemaVersion": _SCHEMA,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "templating": {"list": variables},
        "panels": [_panel_json(number, panel) for number, panel in enumerate(dashboard.panels)],
    }


def _panel_json(number: int, panel: Panel) -> dict[str, Any]:
    is_table = panel.kind == "table"
    return {
        "id": number + 1,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.meaning,
        "datasource": SOURCE,
        "gridPos": {
            "x": number % _PER_ROW * _WIDTH,
            "y": number // _PER_ROW * _HEIGHT,
            "w": _WIDTH,
            "h": _HEIGHT,
        },
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend,
                **({"instant": True, "range": False, "format": "table"} if is_table else {}),
            }
            for place, query in enumerate(panel.queries)
        ],
    }


def main() -> None:
    """Write every dashboard."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard.name}.json").write_text(spelled(dashboard), encoding="utf-8")


if __name__ == "__main__":
    main()
