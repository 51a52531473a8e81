"""Silences in the console: made from an alert or by matchers, listed with what they hide, and ended."""

from datetime import timedelta

import pytest

from console.cli.main import main
from console.dialogs.change import ChangeDialog
from console.presentation.silences import silence_lines
from core.actor import Actor, Origin
from core.alerts import Alerts, AlertState
from core.alerts.selecting import read_matchers
from core.alerts.silences import Silences
from core.clock import utc_now
from tests.console.conftest import NOW

RULE = "hash_mismatch"


@pytest.fixture
def fired(workspace):
    """Two alerts of one rule."""
    return [
        Alerts(workspace).fire(RULE, labels={"model": "spread", "version": version}, summary=f"bad {version}", now=NOW)
        for version in ("1.0.0", "1.1.0")
    ]


async def at(console, alert):
    await console.press("5")
    await console.until(lambda: console.screen.main_table().move_to(alert.fingerprint))
    await console.settled()


async def answered(console, condition, *keys):
    console.time.pass_deafness()
    await console.press(*keys)
    await console.until(condition)


async def test_z_offers_a_silence_by_labels_that_requires_a_comment(open_console, workspace, fired):
    async with open_console((80, 24)) as console:
        await at(console, fired[0])
        await console.dialog("Z")
        await answered(console, lambda: "Silence alerts by their labels" in console.text(), "left")
        assert "Hides 1 firing alert now" in console.text()
        assert 'version="1.0.0"' in console.text()
        console.time.pass_deafness()
        await console.press("Y", "Y", "Y")
        assert Silences(workspace).all() == []
        console.app.screen.query_one("#reason").value = "feed is being repaired"
        await console.settled()
        await answered(console, lambda: Silences(workspace).all() or "more line" in console.text(), "Y")
        await answered(console, lambda: Silences(workspace).all(), "Y")
        (silence,) = Silences(workspace).all()
        assert silence.comment == "feed is being repaired"
        assert silence.hides(fired[0])
        assert not silence.hides(fired[1])
        await console.until(lambda: console.app.snapshot.silences)
        await console.press("z")
        await console.until(lambda: silence.silence_id in console.text())
        assert "feed is being repaired" in console.text()


async def test_left_goes_back_to_the_snooze(open_console, fired):
    async with open_console((80, 24)) as console:
        await at(console, fired[0])
        await console.dialog("Z")
        await answered(console, lambda: "Silence alerts by their labels" in console.text(), "left")
        await answered(console, lambda: "For 4h" in console.text(), "right")
        await answered(console, lambda: "Snooze an alert" in console.text(), "left")


async def test_silence_and_expire_are_commands(open_console, workspace, fired):
    async with open_console((160, 48)) as console:
        await console.press("colon", *"silence model=spread for tomorrow", "enter")
        await console.until(
            lambda: isinstance(console.app.screen, ChangeDialog) and "Usage: :silence" in console.text()
        )
        await console.press("escape")
        await console.dialog("colon", *'silence model="spread" for 4h repair of the feed', "enter")
        assert "comment  repair of the feed" in console.text()
        await answered(console, lambda: Silences(workspace).all(), "Y")
        (silence,) = Silences(workspace).all()
        assert timedelta(hours=3) < silence.ends_at - utc_now() <= timedelta(hours=4)
        await console.until(lambda: console.app.snapshot.silences)
        await console.dialog("colon", *f"expire {silence.silence_id}", "enter")
        await answered(console, lambda: Silences(workspace).get(silence.silence_id).expired_by, "Y")


def test_the_list_says_when_each_ends_what_it_hides_and_what_ended(workspace, fired):
    silences, now, actor = Silences(workspace, clock=lambda: NOW), NOW, Actor("ana", "desk", Origin.CONSOLE)
    silences.add(read_matchers("model=spread"), actor, comment="repair", ends_at=now + timedelta(hours=2))
    ended = silences.add(read_matchers("model=old"), actor, comment="done", ends_at=now + timedelta(hours=3))
    silences.expire(ended.silence_id, actor)
    text = "\n".join(line.text for line in silence_lines(silences.all(), Alerts(workspace).all(), now))
    assert "ends in 2h" in text
    n_hidden = sum(silences.get(silences.all()[0].silence_id).hides(each) for each in Alerts(workspace).open())
    assert f"hides {n_hidden} open alerts" in text
    assert text.index("Ended") < text.index(ended.silence_id)
    assert "No silences" in silence_lines((), (), now)[0].text


async def test_marked_alerts_are_decided_together_or_not_at_all(open_console, workspace, fired):
    keys = [alert.fingerprint for alert in fired]
    async with open_console((160, 48)) as console:
        for alert in fired:
            await at(console, alert)
            await console.press("space")
        await console.dialog("K")
        Alerts(workspace).resolve(keys[1], Actor("bob", "desk", Origin.COMMAND_LINE))
        await answered(console, lambda: "Since the question was asked, this changed" in console.text(), "Y")
        assert Alerts(workspace).get(keys[0]).state is AlertState.FIRING


async def test_a_silence_of_everything_is_confirmed_by_a_word(open_console, workspace):
    async with open_console((160, 48)) as console:
        await console.dialog("colon", *'silence alertname=~".+" for 2h moving the data centre', "enter")
        assert "These matchers spare no alert" in console.text()
        await answered(console, lambda: "type everything" in console.text(), "Y")
        assert Silences(workspace).all() == []
        console.app.screen.query_one("#typed").value = "everything"
        await console.settled()
        await answered(console, lambda: Silences(workspace).all(), "Y")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("silence model=spread for 90000d repair", "lasts at most a year"),
        ("silence model=spread for 0h repair", "is not a duration"),
        ("silence model=spread for 2h " + "x" * 501, "at most 500 characters"),
        ('silence model=~"(" for 2h repair', "is not a regular expression"),
    ],
)
async def test_what_can_be_no_silence_is_refused_before_it_is_asked(open_console, line, says):
    async with open_console((160, 48)) as console:
        await console.press("colon")
        console.screen.query_one("#prompt-input").value = line
        await console.press("enter")
        await console.until(lambda: says in " ".join(console.text().split()), says)
        assert "comment: why" not in console.text()
        assert not console.app.screen.query("#confirm") or not console.app.screen.query_one("#confirm").display


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (("add",), "MATCHER, --comment/-c, and one of --for, --until"),
        (("add", "model=spread", "--for=2h"), "--comment/-c\n"),
        (("add", "model=spread", "-c", "why"), "one of the arguments --for"),
    ],
)
def test_all_that_a_silence_lacks_is_listed_at_once(called, words, missing):
    code, _, told = called(main, "alerts", "silence", *words)
    assert code == 2
    assert missing in told
