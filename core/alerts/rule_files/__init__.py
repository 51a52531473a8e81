"""Prometheus rule files: `reading.py` reads and checks, `rule_file.py` is what they hold, `in_force.py` finds them.

`anomaly_rules.py` makes the rules of the settings `alerts.anomaly`.
"""

from core.alerts.rule_files.anomaly_rules import ANOMALY_FILE, anomaly_rule_file
from core.alerts.rule_files.in_force import RulesInForce
from core.alerts.rule_files.reading import check_rule_file, load_rule_file
from core.alerts.rule_files.rule_file import AlertingRule, RecordingRule, RuleFile, RuleGroup

__all__ = [
    "ANOMALY_FILE",
    "AlertingRule",
    "RecordingRule",
    "RuleFile",
    "RuleGroup",
    "RulesInForce",
    "anomaly_rule_file",
    "check_rule_file",
    "load_rule_file",
]
