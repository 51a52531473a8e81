"""From counted minutes in the store to what is shown of a version."""

import gc
import weakref
from dataclasses import replace
from datetime import timedelta

import msgspec
import numpy as np
import pandas as pd
import pytest

from core.explain.deny_list import DenyList
from core.monitoring.drift_watch import DriftWatch
from core.monitoring.live import LiveSketch, ProfileIndex, profile_number, to_bytes
from core.monitoring.profiling import profile_column, profile_columns, profile_of
from core.monitoring.sequential import BinnedMinute, SequentialDrift, Streams
from core.monitoring.verdicts import DriftType, DriftVerdict
from core.monitoring.watch import LiveVersion
from core.settings.monitoring import MonitoringSettings
from core.settings.policy import ModelPolicy
from core.tables.signature import ColumnKind
from core.telemetry.live import CountedMinute, LiveWriter
from tests.core.monitoring.sequential.populations import MONDAY, Population

SETTINGS = MonitoringSettings()


@pytest.fixture(scope="module")
def profile():
    rng = np.random.default_rng(1)
    answers = pd.Series(rng.normal(10, 2, 4_000))
    return msgspec.structs.replace(
        Population().profile(1, 5_000),
        target=profile_column(answers + rng.normal(0, 1, 4_000), ColumnKind.NUMBER, name="rent"),
        prediction=profile_column(answers, ColumnKind.NUMBER, name="prediction"),
        residual=profile_column(pd.Series(rng.normal(0, 1, 4_000)), ColumnKind.NUMBER, name="residual"),
    )


@pytest.fixture
def version(workspace, profile):
    return LiveVersion(
        workspace=workspace,
        model="rent",
        version="1.0.0",
        role="stable",
        live_since=None,
        created_at=MONDAY - timedelta(days=1),
        folder=workspace.artifacts_dir,
        profile=profile,
        no_profile="",
        importance={"income": 0.7, "rooms": 0.2, "grade": 0.1},
        rules=ModelPolicy(),
    )


def sketch(profile, frame, answers) -> bytes:
    """Count rows in the bins of the profile, as a server does."""
    index = ProfileIndex(profile)
    found = LiveSketch(len(frame))
    for stored in profile.features:
        values = frame[stored.name]
        if stored.kind is ColumnKind.CATEGORY:
            names = values.value_counts()
            found.features[stored.name] = index.levels(stored.name).count(map(str, names.index), names.tolist())
        else:
            found.features[stored.name] = index.numbers(stored.name).count(values.to_numpy())
    found.answers["prediction"] = index.answers["prediction"].count(answers)
    return to_bytes(found)


@pytest.fixture
def served(workspace, profile):
    def served(first, n, *, shift=0.0, answer=0.0, emptied=0.0, parts=1, seed=0, grade=""):
        """Store minutes of 40 rows, each in some parts."""
        rng = np.random.default_rng([seed, first])
        with LiveWriter(workspace.live_file, b"".join, clock=lambda: MONDAY) as writer:
            for k in range(first, first + n):
                at = MONDAY + timedelta(minutes=k)
                times = pd.DatetimeIndex([pd.Timestamp(at).tz_localize(None)] * (40 // parts))
                for _ in range(parts):
                    frame = Population().frame(rng, times, shift=shift)
                    frame.loc[rng.random(len(frame)) < emptied, "income"] = np.nan
                    if grade:
                        frame["grade"] = grade
                    content = sketch(profile, frame, rng.normal(10 + answer, 2, len(frame)))
                    number, seconds = profile_number(profile), int(at.timestamp())
                    writer.add(CountedMinute("rent", "1.0.0", number, seconds, len(frame), 0, content))
            writer.flush()

    return served


def test_a_shift_is_shown_with_its_date_its_effect_and_the_predictions_that_moved_with_it(workspace, version, served):
    watch = DriftWatch(workspace.live_file, lambda: SETTINGS)
    served(0, 150)
    first = watch.look(version, MONDAY + timedelta(minutes=151), None)
    served(150, 20, shift=1.0, answer=2.0, parts=2)
    second = watch.look(version, MONDAY + timedelta(minutes=171), first.state)

    assert first.part.verdict is not DriftVerdict.ALARM
    assert second.part.verdict is DriftVerdict.ALARM
    income = next(each for each in second.part.columns if each.name == "income")
    answers = next(each for each in second.part.columns if each.type is DriftType.PREDICTION)
    assert (income.verdict, income.importance, income.evidence) == (DriftVerdict.ALARM, 0.7, 1.0)
    assert abs(income.changed_at - MONDAY - timedelta(minutes=150)) <= timedelta(minutes=1)
    assert income.reason.startswith("moved by +")
    assert income.wasserstein == pytest.approx(1.0, abs=0.05)  # from the points of the profile and exact sums
    assert float(income.reason.removeprefix("moved by ").split()[0]) == pytest.approx(1.0, abs=0.05)
    assert [round(q.current - q.reference, 1) for q in income.quantiles[1:4]] == pytest.approx([1.0] * 3, abs=0.15)
    assert (income.trend_seconds, len(income.trend)) == (900, 12)  # 171 minutes, of which the last 20 moved
    assert max(income.trend[:10]) < 0.1 < 0.5 < income.trend[-1]
    assert income.group == answers.group != ""
    assert "together with income" in second.part.prediction_move
    assert {each.name for each in second.part.columns if each.verdict is DriftVerdict.ALARM} == {"income", "prediction"}


def test_a_denied_column_is_shown_without_its_share_of_the_model_and_its_values(workspace, version, served):
    denied = ["inc*"]
    watch = DriftWatch(workspace.live_file, lambda: SETTINGS, lambda: DenyList(denied))
    served(0, 150)
    state = watch.look(version, MONDAY + timedelta(minutes=151), None).state
    served(150, 20, shift=1.0, answer=2.0, parts=2)
    part = watch.look(version, MONDAY + timedelta(minutes=171), state).part

    income = next(each for each in part.columns if each.name == "income")
    assert (income.verdict, income.is_denied) == (DriftVerdict.ALARM, True)
    assert (income.importance, income.shares, income.quantiles, income.slice) == (None, None, (), "")
    assert (income.wasserstein, income.psi, income.ks, income.jensen_shannon) == (None,) * 4
    assert (income.reason, income.evidence, income.trend) == ("moved by more than is harmless", 1.0, ())
    assert part.denied_shares == {DriftVerdict.ALARM: 0.7}
    rooms = next(each for each in part.columns if each.name == "rooms")
    assert (rooms.is_denied, rooms.importance) == (False, 0.2)
    assert rooms.quantiles
    assert rooms.wasserstein is not None


def test_a_masked_column_is_shown_with_its_figures_and_without_a_value_of_it(workspace, version, served):
    masked = DenyList(of_values=["inc*", "grade"])
    watches = [
        DriftWatch(workspace.live_file, lambda: SETTINGS, lambda each=each: each) for each in (DenyList(), masked)
    ]
    served(0, 150)
    states = [watch.look(version, MONDAY + timedelta(minutes=151), None).state for watch in watches]
    served(150, 20, shift=1.0, answer=2.0, parts=2, grade="d")
    plain, told = (
        {each.name: each for each in watch.look(version, MONDAY + timedelta(minutes=171), state).part.columns}
        for watch, state in zip(watches, states, strict=True)
    )
    assert plain["income"].quantiles
    assert plain["grade"].shares.levels
    assert ", d from " in plain["grade"].reason
    assert told["grade"].reason.startswith("moved: PSI ")
    for name in ("income", "grade"):
        before, after = plain[name], told[name]
        assert (after.shares, after.quantiles, after.is_denied) == (None, (), False)
        assert (after.verdict, after.psi, after.importance) == (before.verdict, before.psi, before.importance)


def test_empty_cells_of_a_denied_column_are_no_share_of_the_model_that_has_moved(workspace, version, served):
    watch = DriftWatch(workspace.live_file, lambda: SETTINGS, lambda: DenyList(["income"]))
    served(0, 150)
    state = watch.look(version, MONDAY + timedelta(minutes=151), None).state
    served(150, 60, emptied=0.5)
    part = watch.look(version, MONDAY + timedelta(minutes=211), state).part

    alarmed = [(each.name, each.type) for each in part.columns if each.verdict is DriftVerdict.ALARM]
    assert alarmed == [("income", DriftType.QUALITY)]
    assert DriftVerdict.ALARM not in part.denied_shares
    assert sum(part.denied_shares.values()) == 0.7


def test_the_mean_prediction_is_that_of_the_last_minutes_and_goes_with_the_traffic(workspace, version, served):
    watch = DriftWatch(workspace.live_file, lambda: SETTINGS)
    served(0, 30)
    first = watch.look(version, MONDAY + timedelta(minutes=31), None)
    served(30, 10, answer=5.0)
    second = watch.look(version, MONDAY + timedelta(minutes=40), first.state)
    third = watch.look(version, MONDAY + timedelta(minutes=55), second.state)

    assert first.part.prediction_mean == pytest.approx(10.0, abs=0.5)
    assert second.part.prediction_mean == pytest.approx(15.0, abs=0.5)
    assert 0 <= second.part.missing_share < 0.1
    assert (third.part.prediction_mean, third.part.missing_share) == (None, None)


def test_columns_without_a_row_come_last_and_make_no_verdict_worse(workspace, version, served):
    served(0, 240)
    part = DriftWatch(workspace.live_file, lambda: SETTINGS).look(version, MONDAY + timedelta(hours=4), None).part

    assert part.verdict is DriftVerdict.STABLE
    assert [each.type for each in part.columns if each.awaits_rows] == [DriftType.TARGET, DriftType.RESIDUAL]
    assert [each.awaits_rows for each in part.columns] == [False] * 5 + [True] * 2
    assert part.columns[-1].reason == "nothing to judge yet: no outcome today or yesterday"


def test_looks_at_every_minute_and_one_look_at_all_agree(workspace, version, served):
    watch = DriftWatch(workspace.live_file, lambda: SETTINGS)
    state = None
    for k in range(12):
        served(k, 1, shift=0.5)
        look = watch.look(version, MONDAY + timedelta(minutes=k + 1), state)
        state = look.state
    whole = DriftWatch(workspace.live_file, lambda: SETTINGS).look(version, MONDAY + timedelta(minutes=13), None)

    assert look.part.n_rows == whole.part.n_rows == 480
    assert [each.evidence for each in look.part.columns] == [each.evidence for each in whole.part.columns]


def test_a_look_without_new_minutes_changes_nothing(workspace, version, served):
    watch = DriftWatch(workspace.live_file, lambda: SETTINGS)
    served(0, 3)
    first = watch.look(version, MONDAY + timedelta(minutes=4), None)
    again = watch.look(version, MONDAY + timedelta(minutes=5), first.state)

    assert (again.part, again.state, again.cursor) == (first.part, first.state, first.cursor)


def test_a_state_that_cannot_be_read_is_made_again_from_the_stored_minutes(workspace, version, served):
    watch = DriftWatch(workspace.live_file, lambda: SETTINGS)
    served(0, 3)
    first = watch.look(version, MONDAY + timedelta(minutes=4), None)
    again = watch.look(version, MONDAY + timedelta(minutes=4), b"damaged")

    assert again.state == first.state
    assert "judged again from the stored minutes" in again.part.notes[0]


def test_a_version_without_a_profile_or_without_rows_has_nothing_to_show(workspace, version):
    watch = DriftWatch(workspace.live_file, lambda: SETTINGS)
    assert watch.look(replace(version, profile=None), MONDAY, None).part is None
    assert watch.look(version, MONDAY, None).part is None


def test_a_reference_that_is_too_small_to_watch_anything_is_said(workspace, version):
    watch = DriftWatch(workspace.live_file, lambda: SETTINGS)
    part = watch.look(replace(version, profile=Population().profile(1, 90)), MONDAY, None).part
    assert part.verdict is DriftVerdict.INCONCLUSIVE
    assert part.notes == (
        "the values of income, gaps, rooms, grade are not watched: the reference has fewer than 100 independent ones",
    )


def test_of_a_column_that_is_mostly_empty_the_empty_cells_are_watched_and_its_values_are_named(workspace, version):
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"income": rng.normal(size=1_000), "floor": np.where(np.arange(1_000) < 80, 1.0, np.nan)})
    columns = profile_columns(frame, {"income": ColumnKind.NUMBER, "floor": ColumnKind.NUMBER}, None, None)
    mostly = profile_of(columns, features=("income", "floor"), target=None, group=None, held_out=None, time=None)

    def filled(share, seed):
        """Observe two hours of 200 rows a minute, of which a share has a floor; return what has moved."""
        streams, rng = Streams(mostly), np.random.default_rng(seed)
        assert streams.unwatched == ("floor",)
        drift = SequentialDrift(streams)
        for k in range(120):
            n = int(rng.binomial(200, share))
            counts = {}
            for key, layout in streams.layouts.items():
                cells = np.zeros(layout.width, dtype=np.int64)
                if key[1] == "floor":
                    cells[0], cells[layout.missing] = n, 200 - n
                else:
                    usual = layout.reference / layout.reference.sum()
                    cells = rng.multinomial(200, usual)
                counts[key] = cells
            drift.observe([BinnedMinute(MONDAY + timedelta(minutes=k), counts)])
        return [streams.streams[k].key[1] for k in drift.state.findings]

    assert filled(0.08, 1) == []
    assert filled(0.9, 2) == ["floor"]


def test_the_bets_of_a_version_that_is_no_longer_looked_at_are_dropped(workspace, version, served):
    served(0, 3)
    watch, at = DriftWatch(workspace.live_file, lambda: SETTINGS), MONDAY + timedelta(minutes=4)
    others = {id(each) for each in gc.get_objects() if type(each) is Streams}
    watch.look(version, at, None)
    [dead] = [weakref.ref(each) for each in gc.get_objects() if type(each) is Streams and id(each) not in others]
    newer = replace(version, version="1.1.0")
    watch.look(newer, at, None)
    gc.collect()
    assert dead() is not None

    watch.look(newer, at + timedelta(hours=1), None)
    gc.collect()
    assert dead() is None


def test_more_models_share_the_false_alarm_budget(workspace, version, served):
    served(0, 1)
    with LiveWriter(workspace.live_file, lambda sketches: b"", clock=lambda: MONDAY) as writer:
        writer.add(CountedMinute("other", "1.0.0", "p", int(MONDAY.timestamp()), 1, 0, b"x"))
        writer.flush()
    watch = DriftWatch(workspace.live_file, lambda: MonitoringSettings(overrides={"rent": {"weight": 2.0}}))
    part = watch.look(version, MONDAY + timedelta(minutes=2), None).part

    assert part.false_alarm_days == pytest.approx(45.0)


@pytest.mark.parametrize(
    ("at", "days"),
    [
        pytest.param(0, 60.0, id="a candidate that answers shares the part of its model"),
        pytest.param(-2 * 1440, 30.0, id="a version that has stopped answering does not"),
    ],
)
def test_versions_that_answer_at_a_time_share_the_part_of_their_model(workspace, version, served, at, days):
    served(0, 1)
    with LiveWriter(workspace.live_file, lambda sketches: b"", clock=lambda: MONDAY) as writer:
        writer.add(CountedMinute("rent", "1.1.0", "p", int((MONDAY + timedelta(minutes=at)).timestamp()), 1, 0, b"x"))
        writer.flush()
    part = DriftWatch(workspace.live_file, lambda: SETTINGS).look(version, MONDAY + timedelta(minutes=2), None).part
    assert part.false_alarm_days == pytest.approx(days)


def test_a_minute_that_is_damaged_or_dated_in_the_future_is_left_out_and_named(workspace, version, served, profile):
    served(0, 20)
    number, later = profile_number(profile), int((MONDAY + timedelta(days=30)).timestamp())
    served(30 * 24 * 60, 1)
    with LiveWriter(workspace.live_file, b"".join, clock=lambda: MONDAY) as writer:
        writer.add(CountedMinute("rent", "1.0.0", number, int(MONDAY.timestamp()), 40, 0, b"\x01" * 50))
        writer.flush()
    part = DriftWatch(workspace.live_file, lambda: SETTINGS).look(version, MONDAY + timedelta(minutes=21), None).part

    assert later > part.as_of.timestamp()
    assert (part.n_rows, part.as_of <= MONDAY + timedelta(minutes=21)) == (800, True)
    assert "1 minutes are left out: their counts are damaged" in part.notes
    assert "1 minutes are left out: they are dated later than now" in part.notes


def test_rows_that_were_answered_but_not_counted_are_said(workspace, version, served, profile):
    served(0, 20)
    with LiveWriter(workspace.live_file, b"".join, clock=lambda: MONDAY) as writer:
        for minute, n_dropped in ((3, 1_200), (4, 34)):
            seconds = int((MONDAY + timedelta(minutes=minute)).timestamp())
            writer.add(CountedMinute("rent", "1.0.0", profile_number(profile), seconds, 0, n_dropped, b""))
        writer.flush()
    part = DriftWatch(workspace.live_file, lambda: SETTINGS).look(version, MONDAY + timedelta(minutes=21), None).part

    assert part.n_rows == 800
    assert (
        "1,234 of the 2,034 rows answered today and yesterday are not counted: in busy minutes only a random share of "
        "the requests is counted, and rows that come too fast are dropped"
    ) in part.notes


def test_after_a_look_with_the_clock_ahead_the_stored_minutes_are_judged_again(workspace, version, served):
    watch = DriftWatch(workspace.live_file, lambda: SETTINGS)
    served(0, 20)
    served(30 * 24 * 60, 1)
    ahead = watch.look(version, MONDAY + timedelta(days=31), None)
    back = watch.look(version, MONDAY + timedelta(minutes=21), ahead.state)

    assert ahead.part.n_rows == 840
    assert back.part.n_rows == 800
    assert any("the clock was ahead" in note for note in back.part.notes)
