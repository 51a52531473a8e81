"""Evaluating rule files over recorded series.

`source.py` reads the series, `rule_state.py` is the life cycle of the alerts of one rule, `group.py` evaluates a group,
`recording.py`, `records.py` and `rule_alerts.py` make the results durable, `evaluation.py` does it all for a workspace,
`replay.py` over the past, and `listing.py` shows the rules.
"""
