"""Gates that were judged before a column was denied: no face tells their figures and cells of it."""

import functools
import re
from datetime import UTC, datetime

import msgspec
import pytest

from bondx.mlops import MLOpsConfig, ModelRegistry
from console.cli.main import main
from console.mlops.cli import main as mlops
from core.domains.report_section import ReportSection
from core.evidence import EvidencePacks, bill_of_version, encoded_record
from core.evidence.signing import DATA, PAGE
from core.explain.deny_list import DenyList
from core.registry import Registry, Stage
from core.serving.access import Role, Tokens
from core.settings import TrainingSettings
from core.training.epoch_slices import slice_table
from core.training.later_denied import session_without_denied
from core.training.session import DesiredSession, ObservedSession, Session
from core.training.session_files import SessionFiles
from core.training.sessions import Sessions
from core.training.tuning.records import FeatureRecord, SelectionRecord, TuningProgress
from core.view.source import take_snapshot
from tests.epoch_records import an_epoch
from tests.judged_gates import DENIED, GATES, OF_A_COLUMN, TOLD


@pytest.fixture
def deny(workspace):
    def deny():
        with workspace.settings_file.open("a") as settings:
            settings.write(DENIED)

    return deny


def without_hashes(text: str) -> str:
    """Return the text of a pack without its hashes, in which any digits may stand, and without commas in numbers."""
    return re.sub(r"(?<=\d),(?=\d{3}\b)", "", re.sub(r"\b[0-9a-f]{40,}\b", "", text))


def require_silent(text: str) -> None:
    """Find the verdict of each gate and the figure of the other column, but nothing of the denied column."""
    assert "1234" in text
    assert TOLD not in text


def test_a_version_is_shown_everywhere_without_what_its_gates_tell_of_a_column_denied_later(
    workspace, ana, tmp_path, running, called, deny
):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "weights.txt").write_text("1 2 3\n")
    registry = Registry(workspace)
    registry.register("pricing", tmp_path / "files", metrics={}, lineage={}, gates=GATES, actor=ana)
    config = MLOpsConfig.from_yaml(workspace=workspace.root)
    ask = functools.partial(called, main, "--workspace", workspace.root)

    def told() -> dict[str, str]:
        found = {
            "registry show": ask("registry", "show", "pricing", "1.0.0")[1],
            "registry show --json": ask("registry", "show", "pricing", "1.0.0", "--json")[1],
            "registry list --json": ask("registry", "list", "--json")[1],
            "bondx-mlops list --json": called(mlops, "list", "--models", "--workspace", workspace.root, "--json")[1],
            "get_model": str(ModelRegistry(config).get_model("pricing", "1.0.0")),
            "list_models": str(ModelRegistry(config).list_models()),
            "bill": encoded_record(bill_of_version(workspace, "pricing", "1.0.0")).decode(),
        }
        pack = EvidencePacks(workspace).of_version("pricing", "1.0.0", actor=ana)
        folder = EvidencePacks(workspace).folder_of(pack)
        return found | {name: without_hashes((folder / name).read_text()) for name in (DATA, PAGE)}

    for face, text in told().items():
        assert TOLD in text, face
    deny()
    for face, text in told().items():
        assert ("1234" in text, TOLD in text) == (True, False), face
    operator = Tokens(workspace).create("operator", Role.OPERATOR, actor=ana)[1]
    with running(workspace) as server:
        server.token = operator
        where = "/api/v1/models/pricing/versions"
        answers = [server.ask(where), server.ask(f"{where}/1.0.0"), server.ask(f"{where}/1.0.0/bom")]
        answers.append(server.ask(f"{where}/1.0.0/tags", {"tags": {"desk": "rates"}}, method="PATCH"))
    for answer in answers:
        assert answer.status == 200
        require_silent(answer.body.decode())
    moved = registry.apply(registry.plan_archive("pricing", "1.0.0"), actor=ana)
    assert (moved[0].stage, moved[0].gates) == (Stage.ARCHIVED, GATES)
    assert registry.verify("pricing")[0].ok


def test_a_session_and_its_epochs_are_shown_without_what_their_gates_tell_of_a_column_denied_later(
    workspace, ana, running, called, deny
):
    session = Sessions(workspace).start(TrainingSettings(), name="nightly", actor=ana)
    session = Sessions(workspace).observe(session.session_id, "epoch.complete", actor=ana, epoch=1, gates=GATES)
    found = {"taxes=4711": {"n_rows": 40.0, "r2_score": 0.5}, "size=1234": {"n_rows": 30.0}}
    slices = {"spread": slice_table(found, {"taxes": "tax_id", "size": "size"})}
    refused = an_epoch(1, learned=False, gates=GATES, refusal=f"index_median: {OF_A_COLUMN.reason}", slices=slices)
    SessionFiles(workspace).write_epoch(session, refused)
    ask = functools.partial(called, main, "--workspace", workspace.root, "session", "show", session.session_id)
    faces = ((), ("--json",), ("--epoch", "1"), ("--epoch", "1", "--json"))
    for words in faces:
        assert TOLD in ask(*words)[1], words
    deny()
    for words in faces:
        require_silent(ask(*words)[1])
    (shown,) = take_snapshot(workspace).sessions
    require_silent(str(shown))
    with running(workspace) as server:
        server.token = Tokens(workspace).create("operator", Role.OPERATOR, actor=ana)[1]
        where = f"/api/v1/sessions/{session.session_id}"
        paths = ("/api/v1/sessions", where, f"{where}/epochs/1", f"{where}/epochs/1/slices")
        answers = [server.ask(path) for path in paths]
        answers.append(server.ask(f"{where}/requests", {"desired": "paused"}))
    for answer in answers:
        assert answer.status == 200
        require_silent(answer.body.decode())
    assert Sessions(workspace).get(session.session_id).observed.gates == GATES


def test_settings_that_cannot_be_read_withhold_what_they_may_deny_from_screens_and_hide_no_session(workspace, ana):
    session = Sessions(workspace).start(TrainingSettings(), name="nightly", actor=ana)
    Sessions(workspace).observe(session.session_id, "epoch.complete", actor=ana, epoch=1, gates=GATES)
    workspace.settings_file.write_text("explanation: {denied_columns: 7}\n")
    (shown,) = take_snapshot(workspace).sessions
    assert [gate.value for gate in shown.observed.gates if gate.columns] == [None, None]
    assert msgspec.structs.replace(shown.observed, gates=()) == msgspec.structs.replace(
        Sessions(workspace).get(session.session_id).observed, gates=()
    )


def test_a_session_is_shown_without_the_scores_and_the_rows_of_tables_of_a_column_denied_later():
    columns = tuple(
        FeatureRecord(name=name, score=0.5, shadow=0.1, kept_on=1.0, is_kept=True)
        for name in ("tax_id", "size x tax_id", "size")
    )
    chosen = SelectionRecord(model="spread", method="gain", n_columns=3, columns=columns, features=("tax_id", "size"))
    rows = (("spread", "tax_id", "0.5"), ("spread", "size", "0.4"), ("spread", "calm, tax_id 4%", "0.3"))
    table = ReportSection(title="Columns", about="", columns=("model", "column", "score"), rows=rows)
    observed = ObservedSession(sections=(table,), tuning=TuningProgress(selections=(chosen,)))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    session = Session(
        session_id="s-0001",
        name="nightly",
        created_at=at,
        created_by="ana",
        settings={"models": {"spread": {}}},
        desired=DesiredSession.RUNNING,
        desired_by="ana",
        desired_at=at,
        observed=observed,
    )
    for pattern, left in (("tax_*", ["size"]), ("*", [])):
        shown = session_without_denied(session, DenyList([pattern])).observed
        (selection,) = shown.tuning.selections
        assert [each.name for each in selection.columns] == list(selection.features) == left
    assert session_without_denied(session, DenyList(["tax_*"])).observed.sections[0].rows == (rows[1],)
    assert session_without_denied(session, DenyList(["*"])).observed.sections == (table,)  # as it was recorded under it
    assert session_without_denied(session, DenyList()) is session
