"""Write the ready-made rules as a resource of the Prometheus operator: python -m tools.prometheus_rule."""

from pathlib import Path
from textwrap import indent

from core.alerts.ready_made import READY_MADE_FILE

FILE = Path(__file__).parents[1] / "deploy" / "kubernetes" / "monitoring" / "rules.yaml"

_OPENING = """\
# The ready-made rules for the Prometheus operator; `python -m tools.prometheus_rule` writes this file.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: bondx, labels: {app.kubernetes.io/name: bondx}}
spec:
"""


def resource() -> str:
    """Return the resource: the rule file below `spec`."""
    return _OPENING + indent(READY_MADE_FILE.read_text(encoding="utf-8"), "  ")


if __name__ == "__main__":
    FILE.write_text(resource(), encoding="utf-8")
