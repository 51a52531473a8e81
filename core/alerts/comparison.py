"""What the expression of a rule compares its value with, as it is written."""

import re

_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`|#[^\n]*")
_SET_OPERATOR = re.compile(r"\b(?:and|or|unless)\b", re.IGNORECASE)
_COMPARISON = re.compile(r"==|!=|>=|<=|>|<")
_OPEN, _CLOSE = "([{", ")]}"


def comparison_of(text: str) -> str:
    """Return what an expression compares with, outside of brackets: of several with `and`, what the first does.

    Args:
        text: The expression of a rule.

    Returns:
        The operator and its right side; "" if there is none that can be read.

    >>> comparison_of('bondx_drift_psi{model="a > b"} > 0.25')
    '> 0.25'
    >>> comparison_of('(rate(x[5m]) > on () bondx_alert_limit{name="e"}) and up == 1')
    '> on () bondx_alert_limit{name="e"}'
    >>> comparison_of("absent(up)"), comparison_of("(a > 1")
    ('', '')
    """
    outside = _without_brackets(text)
    if (found := _SET_OPERATOR.search(outside)) is not None:
        text, outside = text[: found.start()], outside[: found.start()]
    inner = text.strip()
    if inner.startswith("(") and outside and not outside.strip(" \n\t\0"):
        return comparison_of(inner[1:-1])
    if not (operators := [*_COMPARISON.finditer(outside)]):
        return ""
    return f"{operators[-1][0]} {' '.join(text[operators[-1].end() :].split())}"


def _without_brackets(text: str) -> str:
    """Blank out quoted text and whatever is in brackets, the brackets included; "" if they do not close."""
    text = _QUOTED.sub(lambda found: "\0" * len(found[0]), text)
    depth, kept = 0, []
    for character in text:
        depth += character in _OPEN
        kept.append("\0" if depth else character)
        depth -= character in _CLOSE
    return "" if depth else "".join(kept)
