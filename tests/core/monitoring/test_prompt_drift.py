"""The verdict on prompts: by caller, over all looks; and the watcher that reads what servers have recorded."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import msgspec
import numpy as np
import pytest

from core.losses import AnswerForm, AnswerKind
from core.monitoring.drift_watch import DriftWatch
from core.monitoring.prompt_drift import LEAST_DAYS, MOST_CALLERS, PromptDrift, PromptState, prompt_state
from core.monitoring.verdicts import DriftVerdict
from core.monitoring.watch import LiveVersion
from core.settings.monitoring import MonitoringSettings
from core.settings.policy import ModelPolicy
from core.telemetry.predictions import (
    Arm,
    MeasuredPrompt,
    PredictionRecord,
    PredictionWriter,
    PromptRecord,
    TextCounts,
)
from tests.core.monitoring.simulated_prompts import DAY_US, FIRST_DAY, Senders, watched

STABLE, WATCH, ALARM, OPEN = (
    DriftVerdict.STABLE,
    DriftVerdict.WATCH,
    DriftVerdict.ALARM,
    DriftVerdict.INCONCLUSIVE,
)
NOW = datetime(2026, 11, 27, 7, 30, 20, tzinfo=UTC)
_numbers = count()


def drift(state=None):
    return PromptDrift(400, LEAST_DAYS, state or PromptState())


def day_of_prompts(found, day, ranks, *, callers=None, longs=None):
    """Count a prompt a caller on a day, and end the day."""
    callers = range(len(ranks)) if callers is None else callers
    longs = [False] * len(ranks) if longs is None else longs
    at = (FIRST_DAY + day) * DAY_US
    prompts = (MeasuredPrompt(at, PromptRecord(*each)) for each in zip(map(int, callers), ranks, longs, strict=True))
    found.take(prompts, FIRST_DAY + day)
    found.close_days(FIRST_DAY + day + 1)
    return tuple(each.verdict for each in found.verdicts())


@pytest.mark.parametrize(
    "senders",
    [
        Senders(days=180),
        Senders(days=180, volume="heavy"),
        Senders(days=180, volume="heavy", of_heavy=True),
        Senders(days=180, volume="heavy", n=40, of_heavy=True),
        Senders(days=180, n=30, alike=0.9),
    ],
)
def test_prompts_as_the_documents_are_raise_no_alarm_in_half_a_year_whoever_sends_most(senders):
    random = np.random.default_rng(11)
    found = [watched(senders, random) for _ in range(3)]
    assert sum(each.alarms for each in found) == 0
    if senders.n == 300:
        assert min(each.stable for each in found) > 0.9


@pytest.mark.parametrize("senders", [Senders(shift=1.0), Senders(shift=1.0, volume="zipf"), Senders(long=0.4)])
def test_a_move_of_one_deviation_is_found_within_days(senders):
    random = np.random.default_rng(12)
    found = [watched(replace(senders, days=25, from_day=10 if senders.shift else 0), random) for _ in range(6)]
    assert all(each.first is not None and each.first <= 8 for each in found), found


def test_a_caller_counts_once_however_much_it_sends():
    random, found = np.random.default_rng(13), drift()
    ranks = [*random.random(300), *np.ones(20_000)]
    assert day_of_prompts(found, 0, ranks, callers=[*range(300), *[7] * 20_000]) == (STABLE, STABLE)


def test_few_callers_prove_nothing_however_long_they_send_and_the_reason_counts_them():
    found = drift()
    for day in range(30):
        assert day_of_prompts(found, day, [1.0] * 15) == (OPEN, OPEN)
    part = found.part(NOW)
    assert {each.verdict for each in part.columns} == {OPEN}
    assert part.columns[0].reason.startswith("not enough callers yet: 15 on the days since 20")
    assert (part.n_rows, part.columns[0].n) == (450, 15)


def test_unlikely_and_long_prompts_are_an_alarm_and_likelier_ones_are_watched():
    everybody = [1.0] * 60
    assert day_of_prompts(drift(), 0, everybody) == (ALARM, STABLE)
    assert day_of_prompts(drift(), 0, [0.0] * 60) == (WATCH, STABLE)
    random = np.random.default_rng(14)
    assert day_of_prompts(drift(), 0, random.random(200), longs=[True] * 200)[1] is ALARM


def test_a_verdict_stands_until_the_next_window_has_one_and_its_date_is_that_of_the_first():
    found = drift()
    assert day_of_prompts(found, 0, [1.0] * 60)[0] is ALARM
    assert day_of_prompts(found, 1, [1.0] * 5)[0] is ALARM  # too few callers to say that it is over
    assert day_of_prompts(found, 2, [1.0] * 60)[0] is ALARM
    (column,) = (each for each in found.part(NOW).columns if each.name == "prompts")
    assert column.changed_at == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=FIRST_DAY)
    assert column.reason == (
        "a prompt is less likely than 100% of held-out documents are up to its length, by caller "
        "(85% to 100%, 60 callers since 2024-10-05); 36% to 64% is harmless"
    )
    random = np.random.default_rng(15)
    assert day_of_prompts(found, 3, random.random(300)) == (STABLE, STABLE)
    assert all(each.changed_at is None for each in found.part(NOW).columns)


def test_a_window_that_stays_open_forgets_the_verdict_before_it():
    found = drift()
    assert day_of_prompts(found, 0, [1.0] * 60)[0] is ALARM
    verdicts = [day_of_prompts(found, day, [1.0] * 5)[0] for day in range(1, 10)]
    assert verdicts[5] is ALARM
    assert verdicts[-1] is OPEN


def test_a_prompt_of_a_clock_that_is_ahead_counts_today_and_stops_nothing():
    random, found = np.random.default_rng(18), drift()
    assert day_of_prompts(found, 0, random.random(300)) == (STABLE, STABLE)
    ahead = MeasuredPrompt((FIRST_DAY + 400) * DAY_US, PromptRecord(10_000, 0.5, False))
    found.take([ahead], FIRST_DAY + 1)
    assert day_of_prompts(found, 1, [1.0] * 300)[0] is ALARM
    assert found.part(NOW).as_of == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=FIRST_DAY + 2)


def test_a_look_of_a_clock_that_was_ahead_is_forgotten():
    random, found = np.random.default_rng(19), drift()
    day_of_prompts(found, 400, random.random(300))
    assert day_of_prompts(found, 0, [1.0] * 300)[0] is ALARM


def test_a_verdict_from_before_a_long_silence_is_none():
    random, found = np.random.default_rng(20), drift()
    assert day_of_prompts(found, 0, random.random(300)) == (STABLE, STABLE)
    found.close_days(FIRST_DAY + 60)
    assert [each.verdict for each in found.verdicts()] == [OPEN, OPEN]


def test_half_a_day_decides_nothing():
    found = drift()
    prompts = (MeasuredPrompt(FIRST_DAY * DAY_US, PromptRecord(k, 1.0, False)) for k in range(200))
    found.take(prompts, FIRST_DAY)
    assert [each.verdict for each in found.verdicts()] == [OPEN, OPEN]
    assert "200 so far today" in found.part(NOW).columns[0].reason


def test_of_very_many_callers_an_even_draw_is_counted():
    random, found = np.random.default_rng(16), drift()
    numbers = random.integers(-(2**63), 2**63, 3 * MOST_CALLERS)
    prompts = (
        MeasuredPrompt(FIRST_DAY * DAY_US, PromptRecord(int(number), rank, False))
        for number, rank in zip(numbers, random.random(len(numbers)), strict=True)
    )
    found.take(prompts, FIRST_DAY)
    assert MOST_CALLERS / 4 < len(found.state.today) <= MOST_CALLERS
    found.close_days(FIRST_DAY + 1)
    assert {each.verdict for each in found.verdicts()} == {STABLE}


def test_a_state_goes_on_where_it_was_and_one_that_cannot_be_read_begins_anew():
    whole, halves = drift(), drift()
    random = np.random.default_rng(17)
    for day in range(3):
        ranks = random.random(25).tolist()
        day_of_prompts(whole, day, ranks)
        halves = drift(prompt_state(msgspec.msgpack.encode(halves.state)))
        day_of_prompts(halves, day, ranks)
    assert halves.state == whole.state
    assert prompt_state(b"\xff") == prompt_state(None) == PromptState()


@pytest.fixture
def version(workspace):
    return LiveVersion(
        workspace=workspace,
        model="prose",
        version="1.0.0",
        role="stable",
        live_since=None,
        created_at=NOW - timedelta(days=9),
        folder=workspace.artifacts_dir,
        profile=None,
        no_profile="it is a model of language",
        importance={},
        rules=ModelPolicy(),
        n_prompt_documents=400,
    )


def recorded(workspace, at, callers, rank, *, version="1.0.0", arm=Arm.STABLE):
    form = AnswerForm(AnswerKind.TEXT)
    with closing(PredictionWriter(workspace.predictions_file, clock=lambda: NOW)) as writer:
        for caller in callers:
            detail = TextCounts(1, 0, 1, 0).packed() + PromptRecord(caller, rank, is_long=False).packed()
            request = f"r-{next(_numbers)}"
            record = PredictionRecord(request, at, "prose", version, 4.0, arm=arm, form=form, detail=detail)
            assert writer.add(record)


def test_the_watcher_reads_what_servers_recorded_and_goes_on_from_its_state(workspace, version):
    watch = DriftWatch(workspace.live_file, MonitoringSettings)
    assert watch.look(version, NOW, None).part.notes == (
        "no prompt of this version has been measured and recorded yet",
    )
    recorded(workspace, NOW - timedelta(days=1), range(50), 1.0)
    recorded(workspace, NOW - timedelta(days=1), range(50), 0.1, version="1.1.0")
    recorded(workspace, NOW - timedelta(days=1), range(50), 0.1, arm=Arm.SHADOW)
    first = watch.look(version, NOW, None)
    assert (first.part.verdict, first.part.n_rows, first.part.false_alarm_days) == (ALARM, 50, LEAST_DAYS)
    again = watch.look(version, NOW, first.state)
    assert (again.part, again.state) == (first.part, first.state)
    recorded(workspace, NOW, range(50, 60), 0.5)
    later = watch.look(version, NOW, again.state)
    assert (later.part.verdict, later.part.n_rows) == (ALARM, 60)
