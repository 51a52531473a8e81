"""The questions about alerts say what is true for the kind and the number of the alerts."""

import pytest
from msgspec.structs import replace

from console.verbs.alert import FEW_ALERTS, Acknowledge, CommentOn, Resolve, Snooze, named_alerts
from core.alerts import Alert, AlertState, Severity
from tests.console.conftest import NOW


def an_alert(rule: str, **fields) -> Alert:
    severity, state = Severity.WARNING, AlertState.FIRING
    return Alert(
        fingerprint=rule, rule=rule, severity=severity, state=state, summary=rule, first_at=NOW, last_at=NOW, **fields
    )


CONDITION = an_alert("cpu_high")
EVENT = an_alert("gate_failed")
OF_RULE_FILE = an_alert("SlowReplies", source="rules:a.yaml:g", expr="up == 0")
FROM_ELSEWHERE = an_alert("external:Down", source="external")


@pytest.mark.parametrize(
    ("alert", "says"),
    [
        pytest.param(CONDITION, "only after the condition has ended and returned.", id="condition"),
        pytest.param(OF_RULE_FILE, "only after the condition has ended and returned.", id="rule file"),
        pytest.param(FROM_ELSEWHERE, "only after the sender has reported the end.", id="elsewhere"),
        pytest.param(EVENT, "at the next occurrence.", id="event"),
    ],
)
def test_x_says_what_makes_each_kind_of_alert_fire_again(alert, says):
    assert Resolve().effects([alert]) == (f"It fires again {says}",)
    assert Resolve().effects([alert, alert]) == (f"They fire again {says}",)
    together = Resolve().effects([alert, CONDITION, EVENT])
    assert sum("cpu_high" in line for line in together) == sum("gate_failed" in line for line in together) == 1


@pytest.mark.parametrize("decision", [Acknowledge(), CommentOn("seen"), Resolve(), Snooze()])
def test_several_alerts_are_not_called_it(decision):
    one = " ".join((*decision.effects([EVENT]), decision.way_back([EVENT])))
    several = " ".join((*decision.effects([EVENT, EVENT]), decision.way_back([EVENT, EVENT])))
    assert "They" not in one
    assert not {"It", "it"} & set(several.split())


def test_k_says_what_takes_an_acknowledgement_back():
    assert "X resolves the alert; a later firing notifies again" in Acknowledge().way_back([EVENT])


def test_many_alerts_are_named_by_rule_the_worst_first_so_that_the_question_fits_the_screen():
    drifted = [an_alert("drift", labels={"model": f"m{k}"}) for k in range(40)]
    failing = replace(an_alert("serving_errors", labels={"model": "m7"}), severity=Severity.CRITICAL)
    few = [line.text for line in named_alerts(drifted[:FEW_ALERTS])]
    assert few[:2] == ["warning  drift{model=m0}", "drift"]
    assert [line.text for line in named_alerts([*drifted, failing])] == [
        "critical  serving_errors  1 alert of m7",
        "warning  drift  40 alerts of m0, m1, m10 and 37 more",
    ]
