"""The warning before a silence ends that hides firing alerts."""

from datetime import timedelta

import pytest

from core.alerts import AlertState
from core.alerts.selecting import read_matchers
from core.alerts.silences import Silence
from core.alerts.silences.ending import ending
from core.alerts.silences.silence import ENDING_RULE
from tests.clocks import START
from tests.core.alerts.delivery.told import an_alert


def a_silence(matchers="model=spread", minutes=10, before=30):
    return Silence(
        silence_id="si-1",
        matchers=read_matchers(matchers),
        created_by="ada@desk",
        comment="feed",
        created_at=START - timedelta(minutes=before),
        starts_at=START - timedelta(minutes=before),
        ends_at=START + timedelta(minutes=minutes),
    )


def test_it_says_when_the_silence_ends_and_what_will_be_heard():
    alerts = [an_alert("gate_failed"), an_alert("drift_found"), an_alert("other", labels={"model": "x"})]
    assert ending([a_silence()], alerts, START) == {
        "si-1": "silence si-1 of ada@desk ends at 09:10 UTC and hides 2 firing alerts: drift_found, gate_failed"
    }


def test_a_short_silence_warns_in_its_last_quarter():
    assert ending([a_silence(minutes=4, before=0)], [an_alert()], START + timedelta(minutes=3)).keys() == {"si-1"}
    assert ending([a_silence(minutes=10, before=30)], [an_alert()], START).keys() == {"si-1"}


@pytest.mark.parametrize(
    ("silence", "alert", "after"),
    [
        pytest.param(a_silence(minutes=11), an_alert(), 0, id="earlier than ten minutes before its end"),
        pytest.param(a_silence(), an_alert(), 10, id="after its end"),
        pytest.param(a_silence(minutes=4, before=0), an_alert(), 0, id="when a short silence begins"),
        pytest.param(a_silence(minutes=4, before=0), an_alert(), 2.9, id="while more than a quarter of it is left"),
        pytest.param(a_silence("model=x"), an_alert(), 0, id="without a hidden alert"),
        pytest.param(a_silence(), an_alert(state=AlertState.ACKNOWLEDGED), 0, id="of an acknowledged alert"),
        pytest.param(a_silence(), an_alert(state=AlertState.RESOLVED), 0, id="of a resolved alert"),
        pytest.param(a_silence("severity=~.+"), an_alert(ENDING_RULE), 0, id="of such a warning"),
    ],
)
def test_nothing_is_said(silence, alert, after):
    assert ending([silence], [alert], START + timedelta(minutes=after)) == {}


def test_no_silence_hides_the_warning_of_its_own_end():
    silence = a_silence('alertname=~".+"')
    warning, other = (an_alert(ENDING_RULE, labels={"silence": silence_id}) for silence_id in ("si-1", "si-2"))
    assert not silence.hides(warning)
    assert silence.hides(other)
