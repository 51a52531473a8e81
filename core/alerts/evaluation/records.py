"""What is kept of the evaluation: the pending and firing alerts of each rule, and how each group fared last."""

from datetime import datetime

import msgspec

PENDING_TABLE = "pending_alerts"
GROUP_TABLE = "rule_groups"


class ActiveRuleAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One pending or firing alert of a rule, written when its state changes: a restart goes on from it."""

    key: str
    rule: str  # "FILE:GROUP:NAME", with #2 for the second rule of the same name in the group
    labels: dict[str, str]
    active_at: datetime
    is_firing: bool = False
    kept_since: datetime | None = None  # since when only `keep_firing_for` keeps it
    revision: int = 0


class RuleGroupRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How the evaluation of one group fared last, at most a minute ago while nothing changes."""

    group: str  # "FILE:GROUP"
    evaluated_at: datetime
    seconds: float
    errors: dict[str, str] = {}  # by rule
    revision: int = 0
