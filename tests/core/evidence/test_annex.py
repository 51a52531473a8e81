"""The annex: drafts of narratives say what they are, where each number is from, and what was changed afterwards."""

import json

import msgspec
import pytest

from core.access import AccessRefusedError, Principal, PrincipalKind
from core.actor import Actor, Origin
from core.domains.etrm.drafting.risk_notes import MARK, beginning_of_note, checked_risk_note, draft_risk_note
from core.domains.narrative import ALL_QUOTED, QuotedCells
from core.errors import NotFoundError
from core.evidence import EvidencePacks, NarrativeDrafts, verify_pack
from core.evidence.log_proof import UnprovenLogError
from core.evidence.pdf import pdf_of
from core.explain.deny_list import DenyList
from core.governance import AuditFilter, AuditLog
from core.governance.grants import Grants
from core.settings import Settings
from core.settings.text_model import TextModelSettings
from core.text.sampling import SamplingOptions
from core.text.training import train_text_model
from core.training.text_models import register_text_model
from core.training.text_writing import write_with_version
from tests.core.evidence.conftest import ANA
from tests.core.evidence.test_building import figures_of

REPORT = (
    "as_of_date,book,var99_hist,limit_var,utilisation,breach_flag,gross_exposure,limit_exposure\n"
    "2024-03-28,GAS_DESK,1000.00,2000,0.75,false,3000,4000\n"
)


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "reports.csv"
    path.write_text(REPORT)
    return path


@pytest.fixture
def drafts(demo):
    return NarrativeDrafts(demo)


def entries(pack):
    """Return the entries of the drafts of an annex by draft and field."""
    annex = pack.sections[-1]
    assert annex.number == 17
    return {
        table.title.removeprefix("Draft "): {row[0].text: row[1].text for row in table.rows}
        for table in annex.tables
        if table.title.startswith("Draft ")
    }


def test_a_draft_of_a_version_is_in_its_pack_as_synthetic_with_every_number_at_its_cell(demo, packs, drafts, report):
    folder = report.parent / "model"
    train_text_model(TextModelSettings(architecture="ngram", documents=200, judged_documents=20), folder)
    version = register_text_model(demo, folder, "prose", Settings(), actor=ANA, n_written=2).version
    assert packs.read(packs.of_version("prose", "1.0.0", actor=ANA).pack_id).sections[-1].number == 16
    options = SamplingOptions(seed=3)
    written = write_with_version(demo, "prose", None, beginning_of_note(report), options, actor=ANA)
    note = checked_risk_note(f"{written.text} Also 987654 EUR on 2024-03-29.", report)
    draft = drafts.record(note, actor=ANA, written=written)

    kept = packs.of_version("prose", "1.0.0", actor=ANA)
    pack = packs.read(kept.pack_id)
    told = entries(pack)[draft.draft_id]
    assert told["what it is"] == "synthetic: a text of the model of language prose 1.0.0"
    assert (told["SHA-256 of its manifest"], told["seed"]) == (version.manifest_sha256, "3")
    assert told["text"].startswith("Risk note 2024-03-28: VaR 99 of GAS_DESK is 1000.00 EUR against a limit of 2000.00")
    assert told["text"].endswith(f"Also 987654{MARK} EUR on 2024-03-29{MARK}.")
    assert told["not checked"].startswith("The words")
    rows = [[cell.text for cell in row] for row in pack.sections[-1].tables[1].rows]
    assert rows[:2] == [
        ["2024-03-28", "as_of_date", "2024-03-28", "line 2", "confirmed"],
        ["1000.00", "var99_hist", "1000.0", "line 2", "confirmed"],
    ]
    assert rows[-2:] == [[each, "–", "–", "line 2", "no cell of the row says it"] for each in ("987654", "2024-03-29")]
    sources = {source.id: source for source in pack.sources}
    cited = {sources[figure.source].place for figure in figures_of(pack.sections[-1]) if figure.source}
    assert cited == {"evidence/drafts/1"}
    proved = next(each for each in pack.sources if each.place == "evidence/drafts/1")
    assert [each.sequence for each in AuditLog(demo).search(AuditFilter(verb="draft.record"))] == [proved.record]
    page = packs.page(kept.pack_id).decode()
    assert "Annex: drafts of narratives" in page
    assert "987654 [not confirmed]" in page
    assert verify_pack(packs.folder_of(kept), packs.public_key_file).ok


def test_a_pack_says_what_was_changed_after_a_draft_was_recorded(demo, packs, drafts, report, described):
    first = drafts.record(draft_risk_note(report), actor=ANA, is_worded_here=True)
    told = entries(packs.read(packs.of_version("spread", described, actor=ANA, drafts=["dr-0001"]).pack_id))
    assert told["dr-0001"]["what it is"] == "worded by this program from the cells of the row; no model wrote it"
    assert (told["dr-0001"]["changed since"], told["dr-0001"]["facts not confirmed"]) == ("no", "0")

    edited = checked_risk_note("The VaR 99 is 1000.00 EUR, half of the limit.", report)
    drafts.record(edited, actor=ANA, changes=first.draft_id)
    report.write_text(REPORT.replace("1000.00", "1000.01"))
    kept = packs.of_version("spread", described, actor=ANA, drafts=["dr-0001"])
    pack = packs.read(kept.pack_id)
    told = entries(pack)
    assert "ana@desk changed its text at " in told["dr-0001"]["changed since"]
    assert "dr-0002. Its file reports.csv was changed: its SHA-256 is now " in told["dr-0001"]["changed since"]
    assert told["dr-0002"]["it changes the text of"] == "dr-0001"
    assert told["dr-0002"]["what it is"] == "written by a person or another program, and checked here"
    assert any("dr-0002" in each for each in pack.sections[-1].missing)
    assert b"%PDF" in pdf_of(pack)[:8]

    with pytest.raises(NotFoundError, match="dr-0009"):
        packs.of_version("spread", described, actor=ANA, drafts=["dr-0009"])
    state = demo.state_file("evidence")
    state.write_text(state.read_text().replace("half of the limit", "far below the limit"))
    with pytest.raises(UnprovenLogError, match="draft"):
        EvidencePacks(demo).of_version("spread", described, actor=ANA, drafts=["dr-0001"])


def test_what_rests_on_a_column_that_may_not_be_quoted_is_withheld(demo, packs, drafts, report, described):
    drafts.record(draft_risk_note(report), actor=ANA, is_worded_here=True)
    (demo.root / "bondx.yaml").write_text("explanation: {denied_columns: [limit_var]}\n")
    pack = packs.read(packs.of_version("spread", described, actor=ANA, drafts=["dr-0001"]).pack_id)
    assert entries(pack)["dr-0001"]["text"].startswith("withheld")
    assert "2000.00" not in json.dumps([[c.text for c in figures_of(each)] for each in pack.sections[-1:]])
    assert next(each for each in pack.sources if each.place == "evidence/drafts/1").content is None


def test_a_draft_is_recorded_by_those_alone_who_may(demo, drafts, report):
    owner = Actor(Grants(demo).door.owner, "desk", Origin.COMMAND_LINE)
    Grants(demo).grant(Principal(PrincipalKind.USER, "ben"), "viewer", actor=owner)
    with pytest.raises(AccessRefusedError, match=r"draft\.record"):
        drafts.record(draft_risk_note(report), actor=Actor("ben", "desk", Origin.COMMAND_LINE), is_worded_here=True)
    assert drafts.all() == []
    assert AuditLog(demo).tail(1)[0].verb == "access.refuse"


def test_a_draft_of_an_earlier_release_that_may_quote_any_column_is_withheld_once_one_is_classed(drafts, report):
    kept = drafts.record(checked_risk_note("Nothing of GAS_DESK.", report), actor=ANA)
    earlier = msgspec.structs.replace(kept, unnamed="", named_by=(), columns=())
    assert earlier.as_shown(ALL_QUOTED) == earlier
    told = earlier.as_shown(QuotedCells(DenyList(["iban"])))
    assert (told.about, told.text[:9]) == ("a row of its file", "withheld:")
    worded = msgspec.structs.replace(earlier, is_worded_here=True)
    assert worded.as_shown(QuotedCells(DenyList(["iban"]))) == worded
    assert kept.as_shown(QuotedCells(DenyList(["iban"]))) == kept


def test_the_audit_log_names_no_classed_book_even_where_a_caller_drafted_with_it(demo, drafts, report):
    (demo.root / "bondx.yaml").write_text("protection: {secret: [book]}\n")
    drafts.record(draft_risk_note(report), actor=ANA, is_worded_here=True)
    (record,) = AuditLog(demo).search(AuditFilter(verb="draft.record"))
    assert record.after["about"] == "risk report in line 2"
    assert "GAS_DESK" not in str(drafts.told())
