"""Model files are parsed first in a child: a version that kills its loader kills nothing else, and is met once."""

import http.client
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from console.cli.main import main
from core import own_cgroup
from core.alerts import Alerts
from core.domains.catalogue import load_model
from core.files import DiskFullError, digest
from core.governance import AuditLog
from core.models.errors import ArtifactError
from core.registry import (
    HashMismatchError,
    PromotionRefusedError,
    QuarantinedError,
    Registry,
    free_memory,
    trial_child,
    trials,
)
from core.registry.contents import ANSWERED
from core.registry.trial_child import TrialOutcome, TrialRequest
from core.rollout import RolloutRefusedError, Strategy
from core.serving.loading import Loader
from core.serving.scoring import trial
from core.serving.stats import ServerStats
from core.settings.promotion import PromotionSettings
from core.state import Workspace
from tests.core.serving.in_process import serving

TREES = "lightgbm.trees.txt"
ANSWERS = TrialOutcome(found=ANSWERED, n_rows=25)
DYING_CHILD = """
import os, signal, sys
os.write(1, b"ready\\n")
sys.stdin.buffer.readline()
os.kill(os.getpid(), signal.SIGSEGV)
"""


def poisoned(source, folder, name, edit):
    """Copy a model, one of its files changed, with a header that vouches for the change."""
    shutil.copytree(source, folder)
    content = edit((folder / name).read_bytes())
    (folder / name).write_bytes(content)
    header = json.loads((folder / "model.json").read_text())
    header["files"][name] = {"sha256": digest(content), "n_bytes": len(content)}
    (folder / "model.json").write_text(json.dumps(header))
    return folder


@pytest.fixture
def hostile(artifacts, tmp_path, monkeypatch):
    """A model that kills its loader."""
    folder = tmp_path / "hostile"
    shutil.copytree(artifacts / "spread_other", folder)
    (tmp_path / "dying_child.py").write_text(DYING_CHILD)
    monkeypatch.syspath_prepend(tmp_path)
    children = {False: trial_child.TrialChild(), True: trial_child.TrialChild()}
    run, bytes_of = trial_child.TrialChild.run, (folder / "model.json").read_bytes()

    def choose(_, request):
        is_hostile = (Path(request.folder) / "model.json").read_bytes() == bytes_of
        monkeypatch.setattr(trial_child, "MODULE", "dying_child" if is_hostile else "core.serving.scoring.trial")
        return run(children[is_hostile], request)

    monkeypatch.setattr(trial_child.TrialChild, "run", choose)
    yield folder
    for child in children.values():
        child.close()


@pytest.fixture
def registry(workspace):
    return Registry(workspace, promotion=PromotionSettings(min_accuracy=0.0))


def open_alerts(workspace):
    return [(alert.rule, alert.labels["version"]) for alert in Alerts(workspace).open()]


LEADS_ASTRAY = {
    "asks for more memory than there is": (rb"num_leaves=\d+", b"num_leaves=2000000000"),
    "goes round in circles": (rb"left_child=-?\d+", b"left_child=0"),
    "goes out of its memory": (rb"right_child=-?\d+", b"right_child=-90000000"),
}


@pytest.mark.parametrize("kind", LEADS_ASTRAY)
def test_trees_that_would_lead_their_reader_astray_are_never_read(
    workspace, registry, artifacts, register, tmp_path, kind
):
    pattern, replacement = LEADS_ASTRAY[kind]
    folder = poisoned(
        artifacts / "spread_other", tmp_path / "h", TREES, lambda text: re.sub(pattern, replacement, text, count=1)
    )
    version = register(workspace, "spread", folder).version
    assert "tree 1 " in (registry.try_version("spread", version) or "")
    with pytest.raises(ArtifactError, match=r"tree 1 (is inconsistent|has another number)"):
        load_model(folder)  # a server would do so in its own process
    assert registry.quarantined() == []


def test_a_model_that_kills_its_reader_is_quarantined_and_not_met_again(
    workspace, registry, register, hostile, monkeypatch
):
    folder = hostile
    version = register(workspace, "spread", folder).version
    with pytest.raises(QuarantinedError, match=r"spread 1\.0\.0 is quarantined: loading it .*bondx registry release"):
        registry.load_path("spread", version)
    assert open_alerts(workspace) == [("version_quarantined", version)]
    assert "version.quarantine" in [record.verb for record in AuditLog(workspace).tail(2)]

    def unreachable(*_, **__):
        raise AssertionError("it is tried again")

    monkeypatch.setattr(trials, "try_folder", unreachable)
    restarted = Registry(Workspace.open(workspace.root))
    with pytest.raises(QuarantinedError):
        restarted.load_path("spread", version)
    assert [found.version for found in restarted.quarantined()] == [version]


def test_a_server_serves_the_others_beside_a_version_that_kills_its_loader(
    workspace, artifacts, put_live, register, hostile, rows_of
):
    put_live(workspace, "spread", artifacts / "spread")
    version = register(workspace, "spread", hostile).version
    (row,) = rows_of("spread", 1)
    for _ in range(2):  # and after a restart
        with serving(workspace) as (server, ask, _):
            assert ask(row)[0] == 200
            assert "is quarantined" in server.table.models["spread"].failures[version]
            assert server.table.is_ready


def test_a_version_that_cannot_be_served_is_refused_before_it_goes_live(
    workspace, registry, artifacts, put_live, register, hostile, ana
):
    put_live(workspace, "spread", artifacts / "spread")
    version = register(workspace, "spread", hostile).version
    registry.apply(registry.plan_promotion("spread", version), actor=ana)
    with pytest.raises(PromotionRefusedError, match=r"refused by 1 gate: servable \(loading it killed the process"):
        registry.apply(registry.plan_promotion("spread", version), actor=ana)
    assert not registry.plan_promotion("spread", version).allowed  # the verdict is known to each plan from now on
    assert registry.production("spread").version == "1.0.0"


def test_a_rollout_of_a_version_that_does_not_answer_is_refused_at_its_start(rolling, monkeypatch):
    monkeypatch.setattr(Registry, "try_version", lambda *_: "it does not answer")
    with pytest.raises(RolloutRefusedError, match=r"spread 1\.1\.0 cannot be served: it does not answer\."):
        rolling(Strategy.AB, 0.5)


def test_a_released_version_is_tried_again(workspace, registry, register, hostile, ana, capsys):
    version = register(workspace, "spread", hostile).version
    with pytest.raises(QuarantinedError):
        registry.load_path("spread", version)
    command = ["--workspace", str(workspace.root), "registry", "release", "spread", version, "--reason", "repaired"]
    assert main(command) == 0
    assert "spread 1.0.0 is released" in capsys.readouterr().out
    assert open_alerts(workspace) == []
    assert "version.release" in [record.verb for record in AuditLog(workspace).tail(2)]
    assert main(command) == 3
    assert "spread 1.0.0 is not quarantined" in capsys.readouterr().err
    with pytest.raises(QuarantinedError):
        registry.load_path("spread", version)


def test_a_version_is_tried_once(workspace, registry, artifacts, register, monkeypatch):
    version = register(workspace, "spread", artifacts / "spread").version
    tried = []

    def attempt(folder, **limits):
        tried.append(limits)
        return TrialOutcome()

    monkeypatch.setattr(trials, "try_folder", attempt)
    for _ in range(2):
        with registry.opened("spread", version):
            pass
    assert tried == [{"memory_mib": 4096, "seconds": 60.0}]
    monkeypatch.setattr(trials, "_software", lambda: b"another release")
    with registry.opened("spread", version):
        pass
    assert len(tried) == 2


def test_a_version_that_loads_is_served_even_if_its_trial_cannot_be_noted(
    workspace, registry, artifacts, register, monkeypatch
):
    def fail(path, *_, **__):
        raise DiskFullError(path, "write", "No space left on device")

    version = register(workspace, "spread", artifacts / "spread").version
    monkeypatch.setattr(trials, "try_folder", lambda *_, **__: TrialOutcome())
    monkeypatch.setattr(trials, "write_file", fail)
    with registry.opened("spread", version) as folder:
        assert folder.is_dir()


def test_what_hangs_or_needs_too_much_memory_is_fatal(artifacts, monkeypatch):
    source = artifacts / "spread"
    child = trial_child.TrialChild()
    try:
        assert child.run(TrialRequest(folder=str(source), memory_mib=4096, seconds=60)) == ANSWERS
        outcome = child.run(TrialRequest(folder=str(source), memory_mib=0, seconds=60))
        assert outcome.is_fatal
        outcome = child.run(TrialRequest(folder=str(source), memory_mib=4096, seconds=0.0))
        assert (outcome.is_fatal, "took longer than 0 s" in outcome.problem) == (True, True)
        assert child.run(TrialRequest(folder=str(source / "none"), memory_mib=4096, seconds=60)).problem
    finally:
        child.close()


FATAL = TrialOutcome(problem="loading it killed the process (SIGSEGV)", is_fatal=True)


@pytest.fixture
def outcomes(monkeypatch):
    """The outcomes of the next trials, and how often a child was ended between them."""
    coming, ended = [], []
    monkeypatch.setattr(trials, "try_folder", lambda *_, **__: coming.pop(0))
    monkeypatch.setattr(trials, "end_trials", lambda: ended.append(1))
    monkeypatch.setattr(trials, "free_mib", lambda: 100_000)
    return coming, ended


@pytest.mark.parametrize(("has_loaded", "n_trials"), [(False, 2), (True, 3)])
def test_one_death_of_a_child_quarantines_no_version(
    workspace, registry, artifacts, register, outcomes, monkeypatch, has_loaded, n_trials
):
    coming, ended = outcomes
    version = register(workspace, "spread", artifacts / "spread").version
    if has_loaded:
        coming.append(TrialOutcome())
        assert registry.try_version("spread", version) is None
        monkeypatch.setattr(trials, "_software", lambda: b"another release")
    coming += [FATAL] * (n_trials - 1) + [TrialOutcome()]
    assert registry.try_version("spread", version) is None
    assert (registry.quarantined(), len(ended)) == ([], n_trials - 1)
    monkeypatch.setattr(trials, "_software", lambda: b"a third release")
    has_loaded_by_now = 3
    coming += [FATAL] * has_loaded_by_now
    assert "in 3 of 3 trials" in registry.try_version("spread", version)
    assert [found.version for found in registry.quarantined()] == [version]


def test_a_machine_short_of_memory_is_told_from_a_version_that_kills(
    workspace, registry, artifacts, register, outcomes, monkeypatch
):
    coming, _ = outcomes
    version = register(workspace, "spread", artifacts / "spread").version
    monkeypatch.setattr(trials, "free_mib", lambda: 200)
    coming += [FATAL] * 2
    with pytest.raises(trial_child.TrialFailedError, match="but the machine has only 200 MiB of memory free"):
        registry.try_version("spread", version)
    assert (registry.quarantined(), open_alerts(workspace)) == ([], [])


def test_the_free_memory_is_that_of_the_container_too(monkeypatch, tmp_path):
    monkeypatch.setattr(own_cgroup, "MOUNT", tmp_path)
    monkeypatch.setattr(own_cgroup, "OWN", tmp_path / "none")
    on_machine = free_memory.free_mib()
    assert on_machine > 0
    (tmp_path / "memory.max").write_text(f"{300 << 20}\n")
    (tmp_path / "memory.current").write_text(f"{290 << 20}\n")
    assert free_memory.free_mib() == min(10, on_machine)
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory.free_mib() > 10


@pytest.mark.parametrize("own", ["/", "/box/engine", "/../elsewhere"])
def test_a_full_cache_of_files_is_no_lack_of_memory(monkeypatch, tmp_path, own):
    monkeypatch.setattr(own_cgroup, "MOUNT", tmp_path / "cgroup")
    monkeypatch.setattr(own_cgroup, "OWN", tmp_path / "own")
    (tmp_path / "own").write_text(f"4:memory:/another\n0::{own}\n")
    folder = tmp_path / "cgroup" / ("" if ".." in own else own.lstrip("/"))
    folder.mkdir(parents=True)
    (folder / "memory.max").write_text(f"{60 << 20}\n")
    (folder / "memory.current").write_text(f"{59 << 20}\n")
    assert free_memory.free_mib() == 1
    (folder / "memory.stat").write_text(f"anon {19 << 20}\ninactive_file {40 << 20}\nactive_file 0\n")
    assert free_memory.free_mib() == 41


def test_words_in_an_error_are_no_proof_of_a_lack_of_memory(tmp_path):
    request = TrialRequest(folder=str(tmp_path), memory_mib=1, seconds=60)

    def raising(error, cause=None):
        def warm(_):
            raise error from cause

        return trial._tried(request, warm)

    spoken = raising(ArtifactError("has the format 'allocation of memory'"))
    assert (spoken.is_fatal, spoken.problem) == (False, "has the format 'allocation of memory'")
    for outcome in (raising(MemoryError()), raising(ArtifactError("the file is damaged"), MemoryError())):
        assert (outcome.is_fatal, outcome.problem) == (True, "loading it takes more than 1 MiB of memory")


@pytest.mark.parametrize("place", ["mark", "folder"])
def test_a_mark_that_others_could_write_spares_no_trial(workspace, registry, artifacts, register, monkeypatch, place):
    version = register(workspace, "spread", artifacts / "spread").version
    tried = []
    monkeypatch.setattr(trials, "try_folder", lambda *_, **__: tried.append(1) or TrialOutcome())
    folder = workspace.artifacts_dir / trials.TRIED_NAME
    before = os.umask(0)
    try:
        assert registry.try_version("spread", version) is None
    finally:
        os.umask(before)
    (mark,) = folder.iterdir()
    assert (mark.stat().st_mode | folder.stat().st_mode) & 0o077 == 0
    assert registry.try_version("spread", version) is None
    assert len(tried) == 1
    (mark if place == "mark" else folder).chmod(0o777)
    assert registry.try_version("spread", version) is None
    assert len(tried) == 2


def test_a_child_that_is_ended_from_outside_says_nothing_about_the_version(artifacts, monkeypatch):
    child, line = trial_child.TrialChild(), trial_child._line
    request = TrialRequest(folder=str(artifacts / "spread"), memory_mib=4096, seconds=60)

    def kill_first(process, seconds):
        if seconds == request.seconds:
            process.kill()
            process.wait()
            return b""
        return line(process, seconds)

    try:
        monkeypatch.setattr(trial_child, "_line", kill_first)
        with pytest.raises(trial_child.TrialFailedError, match="ended from outside"):
            child.run(request)
        monkeypatch.setattr(trial_child, "_line", line)
        assert child.run(request) == ANSWERS
    finally:
        child.close()


@pytest.mark.parametrize(("n_frozen", "is_fatal"), [(1, False), (2, True)])
def test_a_clock_that_went_on_proves_nothing_before_a_second_trial(artifacts, monkeypatch, n_frozen, is_fatal):
    child, line = trial_child.TrialChild(), trial_child._line
    request = TrialRequest(folder=str(artifacts / "spread"), memory_mib=4096, seconds=60)
    frozen = []

    def freeze(process, seconds):
        if seconds == request.seconds and len(frozen) < n_frozen:
            frozen.append(process.pid)
            return None
        return line(process, seconds)

    monkeypatch.setattr(trial_child, "_line", freeze)
    try:
        assert child.run(request).is_fatal is is_fatal
        assert len(set(frozen)) == n_frozen  # each in a child of its own
    finally:
        child.close()


def test_a_child_that_does_not_start_says_nothing_about_the_version(tmp_path, monkeypatch):
    monkeypatch.setattr(trial_child, "MODULE", "core.no_such_module")
    with pytest.raises(trial_child.TrialFailedError, match="the process does not start"):
        trial_child.TrialChild().run(TrialRequest(folder=str(tmp_path), memory_mib=4096, seconds=60))


def swap_for_a_link(path, other):
    path.unlink()
    path.symlink_to(other)


def swap_for_a_pipe(path, other):
    path.unlink()
    os.mkfifo(path)


def write_through_a_hard_link(path, other):
    twin = other.with_name("twin")
    os.link(path, twin)
    twin.chmod(0o644)
    twin.write_bytes(b"x" * path.stat().st_size)


@pytest.mark.parametrize("swap", [swap_for_a_link, swap_for_a_pipe, write_through_a_hard_link])
def test_a_file_that_changes_after_it_was_hashed_is_not_loaded(
    workspace, registry, artifacts, register, tmp_path, monkeypatch, swap
):
    version = register(workspace, "spread", artifacts / "spread").version
    folder = workspace.artifacts_dir / "spread" / version
    other = tmp_path / "other"
    other.write_bytes((folder / "model.json").read_bytes())
    examine = registry._planner.examine

    def then_swap(found):
        result = examine(found)
        folder.chmod(0o755)
        swap(folder / "model.json", other)
        return result

    monkeypatch.setattr(registry._planner, "examine", then_swap)
    with pytest.raises(HashMismatchError, match=r"model\.json"), registry.opened("spread", version):
        pass


def test_what_is_loaded_is_a_private_copy(workspace, registry, artifacts, register):
    version = register(workspace, "spread", artifacts / "spread").version
    with registry.opened("spread", version) as folder:
        assert folder.parent.name == ".staging"
        assert folder.stat().st_mode & 0o077 == 0
        assert {path.name for path in folder.iterdir()} >= {"model.json", "registration.json"}
    assert not folder.exists()


def test_a_model_folder_that_is_a_link_is_named(workspace, artifacts, register, tmp_path):
    workspace.artifacts_dir.mkdir(exist_ok=True)
    (workspace.artifacts_dir / "spread").symlink_to(tmp_path)
    with pytest.raises(Exception, match=r"artifacts/spread is a symbolic link; versions are put into plain folders"):
        register(workspace, "spread", artifacts / "spread")


def test_a_live_version_that_cannot_be_loaded_raises_an_alert_until_it_is(workspace, artifacts, put_live, rows_of):
    put_live(workspace, "spread", artifacts / "spread")
    put_live(workspace, "anomaly", artifacts / "anomaly")
    file = workspace.artifacts_dir / "spread" / "1.0.0" / "model.json"
    content = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(content + b" ")
    with serving(workspace) as (server, ask, until):
        until(lambda: ("live_version_unserved", "1.0.0") in open_alerts(workspace), "an alert")
        assert ask(rows_of("spread", 1)[0])[0] == 503
        assert server.table.is_ready
        assert server.table.models["anomaly"].is_ready
        assert not server.table.models["spread"].is_ready
        assert [trouble[:26] for trouble in server.table.troubles()] == ["spread 1.0.0 cannot be loa"]
    file.write_bytes(content)
    with serving(workspace) as (_, _ask, until):
        until(lambda: ("live_version_unserved", "1.0.0") not in open_alerts(workspace), "the alert being resolved")


def test_a_server_whose_only_model_cannot_be_served_is_not_ready(workspace, artifacts, put_live):
    put_live(workspace, "spread", artifacts / "spread")
    file = workspace.artifacts_dir / "spread" / "1.0.0" / "model.json"
    file.chmod(0o644)
    file.write_bytes(b"{}")
    with serving(workspace) as (server, _ask, _):
        assert not server.table.is_ready


@pytest.fixture
def kept_files(tmp_path):
    """Files for another program."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "weights.onnx").write_bytes(b"\x08\x07weights")
    return folder


def test_files_without_a_model_go_live_with_a_warning_that_they_are_not_served_here(
    workspace, registry, register, kept_files, ana
):
    version = register(workspace, "spread", kept_files).version
    registry.apply(registry.plan_promotion("spread", version), actor=ana)
    plan = registry.plan_promotion("spread", version)
    gate = next(gate for gate in plan.gates if gate.name == "servable")
    assert (plan.allowed, gate.verdict) == (True, "warn")
    assert gate.reason == "its files hold no model.json, so this program cannot serve it"
    registry.apply(plan, actor=ana)
    with serving(workspace) as (server, _ask, until):
        until(lambda: server.table.is_complete, "the table")
        why = "every version in Production is for another program"
        assert (server.table.is_ready, server.table.troubles()) == (False, [why])
        status, answer = server_answer(server, "/api/v1/predict/spread", {"row": {}})
        assert (status, answer["error"]) == (
            503,
            "spread 1.0.0 is in Production, but its files hold no model.json, so this program cannot serve it.",
        )
        assert get(server, "/ready") == (
            503,
            {"status": "not ready", "ready": False, "models": {}, "reasons": [why], "kept_as_files": ["spread"]},
        )
        assert "bondx_model_ready{" not in server._front_door._reads._metrics.text().decode()
    assert open_alerts(workspace) == []


def test_files_without_a_model_do_not_replace_a_version_that_answers(
    workspace, registry, artifacts, put_live, register, kept_files, ana
):
    put_live(workspace, "spread", artifacts / "spread")
    version = register(workspace, "spread", kept_files).version
    registry.apply(registry.plan_promotion("spread", version), actor=ana)
    with pytest.raises(PromotionRefusedError, match=r"refused by 1 gate: servable \(its files hold no model\.json"):
        registry.apply(registry.plan_promotion("spread", version), actor=ana)
    assert "hold no model" in registry.try_version("spread", version)


def test_a_model_that_was_served_and_is_not_any_more_raises_an_alert(
    workspace, registry, artifacts, put_live, register, kept_files, ana
):
    put_live(workspace, "spread", kept_files)
    put_live(workspace, "spread", artifacts / "spread")
    registry.apply(registry.plan_rollback("spread"), actor=ana)  # the way back stays open
    with serving(workspace) as (server, _, until):
        until(lambda: open_alerts(workspace) == [("live_version_unserved", "1.0.0")], "an alert")
        assert not server.table.is_ready


def test_while_models_are_loading_the_answer_is_503_and_when_to_retry(workspace, artifacts, put_live, rows_of):
    put_live(workspace, "spread", artifacts / "spread")
    tables = []
    loader = Loader(workspace, ServerStats(), tables.append)
    empty = loader._table
    loader.refresh()
    loader._worker.shutdown()
    (row,) = rows_of("spread", 1)
    with serving(workspace) as (server, _ask, _):
        for table in (empty, tables[0]):
            server._predictor.table = table
            for path in ("spread", "spread/labels/production", "spread/versions/@production", "spread/versions/1.0.0"):
                status, answer = server_answer(server, f"/api/v1/predict/{path}", {"row": row})
                assert (status, "loaded" in answer["error"], answer["retry"]) == (503, True, "1")


def get(server, path):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    connection.request("GET", path)
    answer = connection.getresponse()
    found = json.loads(answer.read())
    connection.close()
    return answer.status, found


def server_answer(server, path, body):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    connection.request("POST", path, json.dumps(body))
    answer = connection.getresponse()
    found = json.loads(answer.read()) | {"retry": answer.getheader("retry-after")}
    connection.close()
    return answer.status, found


def test_the_software_of_a_verdict_is_read_anew_when_another_package_is_installed(monkeypatch, tmp_path):
    before = trials._software()
    read = []
    monkeypatch.setattr(trials, "installed_version", lambda name: read.append(name) or "9.9")
    assert trials._software() == before
    assert read == []

    (tmp_path / "another-1.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert b"numpy 9.9" in trials._software()
