from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

import pytest

from core.clock import utc_now
from core.engine.workers.recorder import Recorder
from core.files import write_file
from core.metrics.recording import LOOK_SECONDS
from core.telemetry.metrics import MetricReader, RecordedSeries
from core.telemetry.metrics.samples import STALE_BITS
from tests.clocks import HandClock


class Is(NamedTuple):
    """A matcher of one value."""

    name: str
    value: str
    op: str = "="

    def matches(self, value: str) -> bool:
        return value == self.value


@pytest.fixture
def clock():
    return HandClock(utc_now())


@pytest.fixture
def recorder(context, clock) -> Iterator[Recorder]:
    recorder = Recorder(replace(context, clock=clock))
    yield recorder
    recorder.end(after_failure=False)


def recorded(workspace, name) -> list[RecordedSeries]:
    with closing(MetricReader(workspace.metrics_file)) as reader:
        return reader.select([Is("__name__", name)], 0, 2**60)


def test_the_engine_records_what_it_knows_with_its_job(recorder, workspace):
    assert 0 <= recorder.step() <= LOOK_SECONDS
    (series,) = recorded(workspace, "bondx_workspace_writable")
    assert dict(series.labels)["job"] == "bondx-engine"
    assert dict(series.labels)["instance"]
    assert series.values.tolist() == [1.0]
    assert recorded(workspace, "bondx_machine_memory_total_bytes")
    assert recorded(workspace, "process_resident_memory_bytes")


def test_nothing_is_recorded_again_before_the_interval_has_passed(recorder, workspace, clock):
    recorder.step()
    clock.now += timedelta(seconds=1)
    recorder.step()
    (series,) = recorded(workspace, "bondx_state_problems")
    assert len(series.values) == 1


def test_a_store_that_refuses_does_not_end_the_worker_and_is_followed_once_it_works(recorder, workspace, clock, caplog):
    workspace.metrics_file.mkdir()
    recorder.step()
    assert "series are not recorded" in caplog.text
    workspace.metrics_file.rmdir()
    recorder._recording._recorded_at = None  # the interval has passed
    recorder.step()
    assert recorded(workspace, "bondx_state_problems")


def test_series_end_with_the_engine(context, workspace, clock):
    recorder = Recorder(replace(context, clock=clock))
    recorder.step()
    clock.now += timedelta(seconds=15)
    recorder.end(after_failure=False)
    (series,) = recorded(workspace, "bondx_state_problems")
    assert series.values.view("uint64")[-1] == STALE_BITS


def test_another_interval_and_retention_take_effect_without_a_restart(recorder, workspace):
    recorder.step()
    write_file(
        workspace.settings_file, b"alerts:\n  evaluation_interval_seconds: 2\ntelemetry:\n  metrics:\n    days: 3\n"
    )
    assert recorder.step() <= 2
    recorder._recording._recorded_at = None
    recorder.step()
    assert recorder._recording._writer.retention_days == 3
