"""Metrics as people read them: one line each, the interval beside the value."""

from collections.abc import Mapping

ENDS = ("_low", "_high")


def print_metrics(metrics: Mapping[str, float]) -> None:
    """Print metrics with their intervals."""
    from console.cli.output import print_table

    rows = [
        {"metric": name, "value": value, "low": metrics.get(f"{name}_low"), "high": metrics.get(f"{name}_high")}
        for name, value in sorted(metrics.items())
        if not name.endswith(ENDS)
    ]
    print_table(rows, ("metric", "value", "low", "high"), empty="no metric could be measured")
