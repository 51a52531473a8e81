"""Stress tests that are kept: a document and a report each, audited, checked by their hash, and pruned whole."""

from threading import Thread

import msgspec
import pytest

from core.actor import Actor, Origin
from core.errors import NotFoundError, UsageError
from core.files import write_file
from core.governance import AuditLog
from core.maintenance.pruning import Pruning
from core.settings.retention import RetentionSettings
from core.state.errors import DocumentNotFoundError
from core.stress.comparison import compare_tests
from core.stress.model_figures import ModelCase, ModelUnderStress
from core.stress.stored_tests import StressTests
from core.stress.stress_test import StressRequest, run_stress_test


@pytest.fixture(scope="module")
def report():
    names = ["rates_up", "rates_down"]
    return run_stress_test(StressRequest(domain="bonds", n_rows=60, seed=3, scenarios=names, severities=["severe"]))


@pytest.fixture
def actor():
    return Actor("ana", "desk", Origin.COMMAND_LINE)


@pytest.fixture
def tests(workspace, clock):
    return StressTests(workspace, clock=clock)


def test_a_report_is_kept_read_again_and_audited(workspace, tests, report, actor):
    kept = tests.keep(report, actor, reason="weekly")
    assert (kept.test_id, kept.worst.key, kept.report) == ("st-0001", "rates_up/severe", "reports/stress/st-0001.json")
    assert tests.report("st-0001") == report
    record = AuditLog(workspace).tail(1)[-1]
    assert (record.verb, record.object, record.reason) == ("stress.run", "st-0001", "weekly")
    assert record.evidence[0].sha256 == kept.sha256
    assert tests.keep(report, actor).test_id == "st-0002"
    assert [each.test_id for each in tests.all()] == ["st-0002", "st-0001"]
    assert tests.latest().test_id == "st-0002"


@pytest.mark.parametrize("kind", ["personal", "secret"])
def test_instruments_are_numbered_once_their_column_leads_to_a_person(workspace, tests, report, actor, kind):
    named = {each.name for case in report.cases for each in case.worst}
    test_id = tests.keep(report, actor).test_id
    workspace.settings_file.write_text(f"protection: {{{kind}: ['*']}}\n")
    shown = {each.name for case in tests.report(test_id).cases for each in case.worst}
    assert shown
    assert not shown & named


def test_a_report_that_was_changed_is_not_shown(workspace, tests, report, actor):
    path = workspace.root / tests.keep(report, actor).report
    path.write_bytes(path.read_bytes().replace(b"rates_up", b"rates_in", 1))
    with pytest.raises(NotFoundError, match="is not what st-0001 wrote"):
        tests.report("st-0001")
    path.unlink()
    with pytest.raises(NotFoundError, match="cannot be read"):
        tests.report("st-0001")


def test_a_prune_leaves_the_report_of_a_test_that_is_being_stored(workspace, clock, tests, report, actor, monkeypatch):
    tests.keep(report, actor)
    (workspace.root / "reports" / "stress" / "st-0009.json").write_text("left by a killed process")
    sweeping = Thread(target=StressTests(workspace, clock=clock).sweep)

    def write_while_another_sweeps(path, content):
        sha256 = write_file(path, content)
        sweeping.start()
        sweeping.join(0.3)  # it waits for this transaction, else it would have been done
        return sha256

    monkeypatch.setattr("core.stress.stored_tests.write_file", write_while_another_sweeps)
    kept = tests.keep(report, actor)
    sweeping.join()
    assert tests.report(kept.test_id) == report
    assert not (workspace.root / "reports" / "stress" / "st-0009.json").exists()


def test_what_was_never_run_is_named(tests):
    with pytest.raises(NotFoundError, match="no stress test yet: bondx stress run makes one"):
        tests.latest()
    with pytest.raises(DocumentNotFoundError, match="st-0007"):
        tests.report("st-0007")


def test_retention_prunes_the_oldest_with_their_reports(workspace, tests, report, actor):
    for _ in range(4):
        tests.keep(report, actor)
    left_behind = workspace.reports_dir / "stress" / "st-0099.json"
    left_behind.write_text("{}")
    pruning = Pruning(workspace, RetentionSettings(stress_tests=2))
    assert pruning.automatic() == ("stress",)
    plan = pruning.plan(pruning.automatic())
    assert [item.name for item in plan.items] == ["st-0001", "st-0002"]
    pruning.carry_out(plan, actor=actor, reason="")
    assert [each.test_id for each in tests.all()] == ["st-0004", "st-0003"]
    assert sorted(path.name for path in left_behind.parent.iterdir()) == ["st-0003.json", "st-0004.json"]
    assert [r.verb for r in AuditLog(workspace).tail(50)].count("stress.prune") == 2
    assert tests.keep(report, actor).test_id == "st-0005"


def test_two_tests_are_compared_case_by_case(tests, report, actor):
    before = tests.keep(report, actor)
    after = tests.keep(msgspec.structs.replace(report, cases=report.cases[:1]), actor)
    up, down = compare_tests(before, after)
    assert (up.scenario, up.change) == ("rates_up", 0.0)
    assert (down.pnl_share, down.change) == (None, None)
    with pytest.raises(UsageError, match="is of bonds, and st-0002 of other"):
        compare_tests(before, msgspec.structs.replace(after, domain="other"))


def test_versions_of_a_model_are_compared_case_by_case(tests, report, actor):
    def stressed(name, error):
        calm = ModelCase(scenario="calm", family="", severity="", figures={"error": 2.0})
        case = ModelCase(
            scenario="rates_up", family="f", severity="severe", figures={"error": error, "attainment": 0.9}
        )
        model = ModelUnderStress(model=name, panel="p", n_rows=9, calm=calm, cases=(case,))
        return tests.keep(msgspec.structs.replace(report, models=(model,)), actor)

    before, after, other = stressed("spread@1.0.0", 8.0), stressed("spread@1.1.0", 4.0), stressed("anomaly@1.0.0", 4.0)
    *portfolio, change = compare_tests(before, after)
    assert [each.model for each in portfolio] == ["", ""]
    assert (change.model, change.version_before, change.version) == ("spread", "1.0.0", "1.1.0")
    assert (change.error_ratio_before, change.error_ratio) == (4.0, 2.0)
    assert (change.attainment, change.pnl_share, change.change) == (0.9, None, None)
    *_, new, gone = compare_tests(before, other)
    assert (new.model, new.error_ratio_before) == ("anomaly", None)
    assert (gone.model, gone.error_ratio) == ("spread", None)
