"""The sampler on the test machine."""

import math
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import psutil
import pytest

from core.monitoring import ResourceSampler, write_sample
from core.telemetry import TelemetryReader, TelemetryWriter

T0 = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)


def network(monkeypatch: pytest.MonkeyPatch, *counts: tuple[int, int]) -> None:
    readings = (SimpleNamespace(bytes_sent=sent, bytes_recv=received) for sent, received in counts)
    monkeypatch.setattr(psutil, "net_io_counters", lambda: next(readings))


def test_a_sample_covers_the_machine_and_this_process(workspace):
    sample = ResourceSampler(workspace).sample(T0)
    assert sample.at == T0
    assert 0 <= sample.cpu_percent <= 100
    assert 0 < sample.memory_percent < 100
    assert 0 < sample.disk_percent <= 100
    assert sample.processes["engine"].pid == os.getpid()
    assert sample.processes["engine"].rss_bytes > 1 << 20


def test_network_rates_are_per_second_between_two_samples(workspace, monkeypatch):
    network(monkeypatch, (1_000, 5_000), (3_000, 5_500), (10, 10))
    sampler = ResourceSampler(workspace)
    assert math.isnan(sampler.sample(T0).net_sent_bytes_per_second), "a single sample gives no rate"
    sample = sampler.sample(T0 + timedelta(seconds=2))
    assert (sample.net_sent_bytes_per_second, sample.net_received_bytes_per_second) == (1_000, 250)
    assert math.isnan(sampler.sample(T0 + timedelta(seconds=3)).net_sent_bytes_per_second), "the counters were reset"


def test_a_machine_without_a_network_has_no_rates(workspace, monkeypatch):
    monkeypatch.setattr(psutil, "net_io_counters", lambda: None)
    assert math.isnan(ResourceSampler(workspace).sample(T0).net_sent_bytes_per_second)


def test_the_trainer_is_followed_while_it_lives(workspace):
    sampler = ResourceSampler(workspace)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    sampler.follow("trainer", child.pid)
    assert sampler.sample(T0).processes["trainer"].pid == child.pid
    child.kill()
    child.communicate()
    assert "trainer" not in sampler.sample(T0).processes
    sampler.follow("trainer", child.pid)
    sampler.follow("trainer", None)
    assert set(sampler.sample(T0).processes) == {"engine"}


def test_a_sample_goes_to_telemetry_under_the_agreed_names(workspace):
    sampler = ResourceSampler(workspace, pids={"engine": os.getpid(), "trainer": os.getppid()})
    with TelemetryWriter(workspace.telemetry_file) as writer:
        for second in range(2):
            write_sample(sampler.sample(T0 + timedelta(seconds=second)), writer)
    reader = TelemetryReader(workspace.telemetry_file)
    names = [
        *(f"resource.{kind}_percent" for kind in ("cpu", "memory", "disk")),
        *(f"resource.net_{way}_bytes_per_second" for way in ("sent", "received")),
        *(f"process.{role}.{figure}" for role in ("engine", "trainer") for figure in ("cpu_percent", "rss_bytes")),
    ]
    stored = {name: len(reader.samples(name, T0, T0 + timedelta(minutes=1))) for name in names}
    assert stored == {name: 1 if ".net_" in name else 2 for name in names}
