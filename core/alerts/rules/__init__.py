"""The built-in rules as one table: what is watched, when it is wrong, and what an operator does about it.

A module a subject; a rule is one entry in the tuple of its module, and everything about it stands there.
"""

from collections.abc import Mapping

from core.alerts.rule import Condition, Rule, Subject
from core.alerts.rules import machine, rollouts, training, workspace
from core.errors import NotFoundError

RULES: Mapping[str, Rule] = {
    rule.name: rule for module in (training, machine, rollouts, workspace) for rule in module.RULES
}
"""Every built-in rule by name."""


def find_rule(name: str) -> Rule:
    """Return the rule of a name.

    Raises:
        NotFoundError: There is none; the message lists those there are.
    """
    if (rule := RULES.get(name)) is None:
        raise NotFoundError(f"There is no alert rule {name!r}. The rules are {', '.join(RULES)}.")
    return rule


def conditions_of(subject: Subject) -> list[Condition]:
    """List the rules that are judged whenever a subject is looked at."""
    return [rule for rule in RULES.values() if isinstance(rule, Condition) and rule.subject is subject]
