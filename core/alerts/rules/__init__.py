"""The built-in rules as one table: the watched value, its limit, and the operator's next step.

Each module holds the rules on one topic. A rule is one self-contained entry in the `RULES` of its module.
"""

from collections.abc import Mapping

from core.alerts.rule import AlertSubject, Condition, Rule
from core.alerts.rules import machine, monitoring, retraining, rollouts, training, workspace
from core.errors import NotFoundError

RULES: Mapping[str, Rule] = {
    rule.name: rule
    for module in (training, machine, monitoring, rollouts, retraining, workspace)
    for rule in module.RULES
}
"""Every built-in rule by name."""


def find_rule(name: str) -> Rule:
    """Return the rule with a name.

    Raises:
        NotFoundError: There is no such rule; the message lists the rules.
    """
    if (rule := RULES.get(name)) is None:
        raise NotFoundError(f"There is no alert rule {name!r}. The rules are {', '.join(RULES)}.")
    return rule


def is_condition(name: str) -> bool:
    """Whether the alerts of a rule resolve automatically; alerts of an event, or of a removed rule, do not."""
    return isinstance(RULES.get(name), Condition)


def conditions_of(subject: AlertSubject) -> list[Condition]:
    """Return the conditions that are evaluated on a subject."""
    return [rule for rule in RULES.values() if isinstance(rule, Condition) and rule.subject is subject]
