"""The names under which rules are kept: each once in a workspace."""

from collections import Counter

from core.alerts.rule_files import RuleGroup


def rule_names(file: str, group: RuleGroup) -> tuple[str, ...]:
    """Name the rules of a group: "FILE:GROUP:NAME", with #2 for the second rule of the same name."""
    seen: Counter[str] = Counter()
    names = []
    for rule in group.rules:
        seen[rule.name] += 1
        nth = f"#{seen[rule.name]}" if seen[rule.name] > 1 else ""
        names.append(f"{file}:{group.name}:{rule.name}{nth}")
    return tuple(names)
