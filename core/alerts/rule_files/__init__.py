"""Prometheus rule files: `reading.py` reads and checks, `rule_file.py` is what they hold, `in_force.py` finds them."""

from core.alerts.rule_files.in_force import RulesInForce
from core.alerts.rule_files.reading import check_rule_file, load_rule_file
from core.alerts.rule_files.rule_file import AlertingRule, RecordingRule, RuleFile, RuleGroup

__all__ = [
    "AlertingRule",
    "RecordingRule",
    "RuleFile",
    "RuleGroup",
    "RulesInForce",
    "check_rule_file",
    "load_rule_file",
]
