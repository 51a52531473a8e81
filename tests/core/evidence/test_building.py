"""Packs hold recorded facts alone: every figure is a value of the source that it names, and what is missing is said."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from core.errors import NotFoundError, UsageError
from core.evidence import PackKind, SectionStatus, verify_pack
from core.evidence.log_proof import UnprovenLogError
from core.evidence.sources import spelled
from core.governance import AuditFilter, AuditLog
from core.monitoring.documents import DriftPart, MonitoredColumn
from core.monitoring.verdicts import DriftType, DriftVerdict
from core.registry import Registry
from core.rollout import Rollouts
from core.stress.stored_tests import StressTests
from tests.core.evidence.conftest import ANA
from tests.monitored import LOOKED_AT, monitored
from tools.demo_stress import stress_demo

TITLES = (
    "Identity",
    "Regulatory map",
    "Data",
    "Method and conceptual soundness",
    "Development record",
    "Performance",
    "Calibration",
    "Stability",
    "Sensitivity and stress",
    "Explainability",
    "Benchmarks and challenger",
    "Limitations, overlays, uncertainty",
    "Implementation checks",
    "Monitoring plan",
    "Independent validation and findings",
    "Change log, approvals, retirement",
)


def values_in(recorded: Any) -> Iterator[Any]:
    """Yield every value in a JSON document, names and inner values included."""
    yield recorded
    if isinstance(recorded, dict):
        for name, inner in recorded.items():
            yield name
            yield name.replace("_", " ")
            yield from values_in(inner)
    elif isinstance(recorded, list):
        for inner in recorded:
            yield from values_in(inner)


def figures_of(section) -> Iterator[Any]:
    yield from (fact.value for fact in section.facts)
    yield from (cell for table in section.tables for row in table.rows for cell in row)


@pytest.fixture
def every_kind(demo, packs, described):
    """A pack of each kind."""
    stress_demo(demo, datetime(2026, 3, 1, 12, tzinfo=UTC))
    test = StressTests(demo).latest().test_id
    rollout = Rollouts(demo).all()[0]
    return [
        packs.of_version("spread", described, actor=ANA),
        packs.of_session("s-0001", actor=ANA),
        packs.of_rollout(rollout.rollout_id, actor=ANA),
        packs.of_stress_test(test, actor=ANA),
        packs.of_model("spread", datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC), actor=ANA),
    ]


def test_a_pack_of_each_kind_has_the_sixteen_sections_and_says_what_is_missing(every_kind, packs):
    assert [kept.kind for kept in every_kind] == [
        PackKind.VERSION,
        PackKind.SESSION,
        PackKind.ROLLOUT,
        PackKind.STRESS,
        PackKind.MODEL,
    ]
    for kept in every_kind:
        pack = packs.read(kept.pack_id)
        assert tuple(section.title for section in pack.sections) == TITLES
        assert [section.number for section in pack.sections] == list(range(1, 17))
        for section in pack.sections:
            has_content = bool(section.facts or section.tables or section.charts)
            assert has_content == (section.status is not SectionStatus.MISSING)
            assert has_content or section.missing, f"{section.title} is empty and does not say why"


def test_every_figure_is_a_value_of_the_source_that_it_names(every_kind, packs):
    n_figures = 0
    for kept in every_kind:
        pack = packs.read(kept.pack_id)
        known = {
            source.id: {spelled(value) for value in values_in(json.loads(source.content))}
            for source in pack.sources
            if source.content is not None and source.kind != "settings"
        }
        numbers = {
            source.id: {
                float(value) for value in values_in(json.loads(source.content)) if isinstance(value, int | float)
            }
            for source in pack.sources
            if source.id in known
        }
        settings = {source.id: {source.sha256} for source in pack.sources if source.kind == "settings"}
        for section in pack.sections:
            for figure in figures_of(section):
                if figure.source and figure.text != "–":
                    assert figure.text in {**known, **settings}[figure.source], (kept.pack_id, section.title, figure)
                    n_figures += 1
            for chart in section.charts:
                assert set(chart.values) <= numbers[chart.source], (kept.pack_id, chart.title)
    assert n_figures > 300


def test_no_number_in_a_table_is_without_its_source(every_kind, packs):
    for kept in every_kind:
        for section in packs.read(kept.pack_id).sections[2:]:
            for figure in figures_of(section):
                assert figure.source or not re.fullmatch(r"[-+]?[\d.,]+(?:e-?\d+)?", figure.text), (
                    section.title,
                    figure,
                )


def test_what_a_version_lacks_is_named_with_what_would_record_it(built, packs):
    pack = packs.read(built.pack_id)
    missing = [sentence for section in pack.sections for sentence in section.missing]
    assert not any("owner of spread" in sentence for sentence in missing)
    assert any("bondx registry tag spread" in sentence and "purpose=TEXT" in sentence for sentence in missing)
    assert built.n_missing == len(missing)


def map_of(packs, version):
    kept = packs.of_version("spread", version, actor=ANA)
    section = packs.read(kept.pack_id).sections[1]
    tables = {table.title: [[cell.text for cell in row] for row in table.rows] for table in section.tables}
    return tables, section.missing


def test_a_version_whose_use_nobody_recorded_is_in_no_class_of_the_ai_act(described, packs):
    tables, missing = map_of(packs, described)
    assert "EU AI Act, Annex III" not in tables
    assert any(f"registry tag spread {described} ai_act=high_risk or ai_act=not_high_risk" in each for each in missing)
    assert not any(row[0] == "EU AI Act" for row in tables["Clauses"])


def test_a_high_risk_version_has_the_headings_of_its_technical_documentation(demo, described, packs):
    tags = {"ai_act": "high_risk", "ai_act_reason": "credit scores of natural persons"}
    Registry(demo).set_tags("spread", described, tags, actor=ANA)
    tables, missing = map_of(packs, described)
    assert tables["EU AI Act, Annex III"] == [[f"spread {described}", *tags.values()]]
    assert {row[1] for row in tables["Clauses"] if row[0] == "EU AI Act"} >= {"Annex IV 1", "Annex IV 9", "Article 12"}
    assert any("declaration of conformity" in each for each in missing)


@pytest.mark.parametrize(("model", "near"), [("spread", "natural persons"), ("etrm_risk", "critical infrastructure")])
def test_a_built_in_model_is_not_high_risk_unless_people_say_so(demo, packs, tmp_path, model, near):
    source = tmp_path / "trained"
    source.mkdir()
    (source / "model.json").write_text(json.dumps({"format": 1, "model": model}))
    registry = Registry(demo)
    version = registry.register("spread", source, metrics={}, lineage={}, gates=(), actor=ANA).version
    tables, _ = map_of(packs, version)
    ((key, risk, reason),) = tables["EU AI Act, Annex III"]
    assert (key, risk) == (f"spread {version}", "not_high_risk")
    assert near in reason
    registry.set_tags("spread", version, {"ai_act": "high_risk"}, actor=ANA)
    tables, missing = map_of(packs, version)
    assert tables["EU AI Act, Annex III"][0][1] == "high_risk"
    assert any("ai_act_reason=TEXT" in each for each in missing)


def test_the_explanation_and_the_intervals_of_a_version_are_in_its_pack(built, packs):
    sections = packs.read(built.pack_id).sections
    explained = {fact.name: fact.value.text for fact in sections[9].facts}
    assert explained["fidelity (R²) of a small tree that imitates it"] == "0.83"
    assert any(table.title.startswith("Contributions of columns") for table in sections[9].tables)
    limits = {fact.name: fact.value.text for fact in sections[11].facts}
    assert limits["half width of a 90 % interval of spread/1.3.0, in units of its scale"] == "0.8"


def test_drift_is_of_the_counted_rows_and_the_pack_says_how_many_answered_ones_it_lacks(demo, described, packs):
    lacking = "1,068,000 of the 1,092,000 rows answered today and yesterday are not counted"
    drift = DriftPart(as_of=LOOKED_AT, verdict=DriftVerdict.ALARM, n_rows=24_000, notes=(lacking,))
    monitored(demo, "spread", number=described, drift=drift)
    stability = packs.read(packs.of_version("spread", described, actor=ANA).pack_id).sections[7]
    facts = {fact.name: fact.value.text for fact in stability.facts}
    assert (facts["rows counted"], facts["note on drift"]) == ("24,000", lacking)
    assert "rows served" not in facts


def test_an_audit_record_vouches_for_the_version_its_files_and_its_moves(built, packs):
    sources = {source.place: source for source in packs.read(built.pack_id).sources}
    version = next(source for place, source in sources.items() if place.startswith("registry/versions/"))
    manifest = next(source for place, source in sources.items() if place.endswith("/MANIFEST.json"))
    report = next(source for place, source in sources.items() if place.endswith("/report.json"))
    assert version.record
    assert manifest.record
    assert (report.record, report.within) == (0, manifest.id)


def test_the_audit_log_records_a_pack_with_the_hash_of_its_manifest(built, demo):
    record = AuditLog(demo).search(AuditFilter(verb="evidence.build"))[0]
    assert (record.object, record.reason) == (built.pack_id, "annual review")
    assert record.evidence[0].sha256 == built.manifest_sha256
    assert AuditLog(demo).verify().ok


def test_the_page_escapes_what_was_recorded_and_needs_no_network(built, packs):
    page = (packs.folder_of(built) / "evidence.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; refit" in page
    assert not re.search(r"(?:src|href)=\"(?!#)", page)
    assert "url(" not in page
    assert "@import" not in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    anchors, targets = set(re.findall(r'href="#([^"]+)"', page)), set(re.findall(r' id="([^"]+)"', page))
    assert anchors <= targets
    assert page.count("<svg") == page.count("</svg>") >= 3


def test_the_same_facts_give_the_same_sections_again(built, packs, described):
    again = packs.of_version("spread", described, actor=ANA)
    first, second = (packs.read(kept.pack_id).sections[:14] for kept in (built, again))
    assert first == second


def test_a_period_holds_what_happened_in_it_alone(demo, packs, described):
    later = packs.of_model("spread", datetime(2090, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC), actor=ANA)
    pack = packs.read(later.pack_id)
    assert not pack.sections[15].tables
    with pytest.raises(UsageError, match="ends before it begins"):
        packs.of_model("spread", datetime(2100, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC), actor=ANA)


@pytest.mark.parametrize(
    ("build", "named"),
    [
        pytest.param(lambda packs: packs.of_version("sprad", "1.0.0", actor=ANA), "sprad", id="model"),
        pytest.param(lambda packs: packs.of_version("spread", "9.9.9", actor=ANA), "9.9.9", id="version"),
        pytest.param(lambda packs: packs.of_session("s-9999", actor=ANA), "s-9999", id="session"),
        pytest.param(lambda packs: packs.of_rollout("ro-9999", actor=ANA), "ro-9999", id="rollout"),
        pytest.param(lambda packs: packs.of_stress_test("st-9999", actor=ANA), "st-9999", id="stress test"),
    ],
)
def test_a_subject_that_does_not_exist_is_refused_by_name_and_leaves_nothing(demo, packs, build, named):
    with pytest.raises(NotFoundError, match=re.escape(named)):
        build(packs)
    assert packs.all() == []
    assert list((demo.reports_dir / "evidence").glob("*")) == []


def test_no_pack_is_built_on_a_log_that_does_not_verify(demo, packs, described):
    log = demo.audit_file
    log.write_bytes(log.read_bytes().replace(b'"reason":"better"', b'"reason":"bitter"'))
    with pytest.raises(UnprovenLogError, match="No evidence can be built on this audit log: record"):
        packs.of_version("spread", described, actor=ANA)
    assert packs.all() == []


def test_two_builders_at_once_have_packs_of_their_own(demo, packs, described, fork):
    def build() -> str:
        return packs.of_version("spread", described, actor=ANA).pack_id

    children = [fork(build) for _ in range(3)]
    assert sorted(child.answer() for child in children) == ["ev-0001", "ev-0002", "ev-0003"]
    assert AuditLog(demo).verify().ok


def test_a_profile_that_was_made_later_is_named_with_its_author_and_hashes(packs, described, demo):
    made = Registry(demo).make_profile(
        "spread", described, b"{}", data_sha256="cd" * 32, n_rows=700, is_held_out=True, actor=ANA, reason="watch it"
    )
    data = packs.read(packs.of_version("spread", described, actor=ANA).pack_id).sections[2]
    facts = {fact.name: fact.value.text for fact in data.facts}
    of = f"profile of spread/{described}"
    assert facts[f"{of}, made later, SHA-256"] == made.sha256
    assert facts[f"{of}: made from the file with SHA-256"] == "cd" * 32
    assert (facts[f"{of}: rows of that file"], facts[f"{of}: reason"]) == ("700", "watch it")
    assert facts[f"{of}: rows that the version did not learn from"] == "yes"


def test_a_broad_pattern_leaves_out_columns_and_leaves_the_record_readable(demo, described, packs):
    every = packs.read(packs.of_version("spread", described, actor=ANA).pack_id)
    text = demo.settings_file.read_text()
    demo.settings_file.write_text(text.replace("denied_columns: []", "denied_columns: ['*']"))
    kept = packs.of_version("spread", described, actor=ANA)
    pack = packs.read(kept.pack_id)
    facts = {fact.name for section in pack.sections for fact in section.facts}
    before = {fact.name for section in every.sections for fact in section.facts}
    assert len(facts) > 0.8 * len(before)
    told = " ".join((packs.folder_of(kept) / name).read_text() for name in ("evidence.html", "evidence.json"))
    assert not re.search(r"(?<!\w)(?:rating_num|sector)(?!\w)", told)
    assert {"model", "version"} <= {row.name for section in pack.sections for row in section.facts}
    assert verify_pack(packs.folder_of(kept), packs.public_key_file).ok


def test_documents_that_name_a_personal_column_are_cited_by_their_hash_and_its_figures_stay(demo, described, packs):
    text = demo.settings_file.read_text()
    demo.settings_file.write_text(text.replace("personal: []", "personal: ['rating*']"))
    kept = packs.of_version("spread", described, actor=ANA)
    pack = packs.read(kept.pack_id)
    report = next(source for source in pack.sources if source.place.endswith("/report.json"))
    assert (report.content, len(report.sha256)) == (None, 64)
    assert any(source.content is not None for source in pack.sources)
    assert "rating" in {row[0].text for table in pack.sections[9].tables for row in table.rows}
    assert verify_pack(packs.folder_of(kept), packs.public_key_file).ok


def test_denied_columns_are_nowhere_in_a_pack_and_it_still_verifies(demo, described, packs):
    columns = tuple(
        MonitoredColumn(name=name, type=DriftType.FEATURE, verdict=DriftVerdict.ALARM, reason=f"{name} moved", psi=0.4)
        for name in ("sector", "rating_num")
    )
    drift = DriftPart(as_of=LOOKED_AT, verdict=DriftVerdict.ALARM, n_rows=24_000, columns=columns)
    monitored(demo, "spread", number=described, drift=drift)
    text = demo.settings_file.read_text()
    demo.settings_file.write_text(text.replace("denied_columns: []", "denied_columns: ['rating*']"))
    kept = packs.of_version("spread", described, actor=ANA)
    folder = packs.folder_of(kept)
    for name in ("evidence.html", "evidence.json"):
        assert not re.search(r"(?<!\w)rating(?:_num)?(?!\w)", (folder / name).read_text()), name
    pack = packs.read(kept.pack_id)
    explained = pack.sections[9]
    assert [row[0].text for table in explained.tables for row in table.rows] == ["sector"]
    assert "Entries that name a column of explanation.denied_columns are left out." in explained.missing
    report = next(source for source in pack.sources if source.place.endswith("/report.json"))
    assert report.content is None
    assert report.sha256
    assert verify_pack(folder, packs.public_key_file).ok


@pytest.mark.parametrize("content", [b"[1]", b"\xff", b"{"])
def test_a_file_that_is_there_and_holds_something_else_is_not_said_to_be_missing(demo, packs, described, content):
    path = next(demo.artifacts_dir.rglob("spread/*/environment.json"))
    path.chmod(0o600)
    path.write_bytes(content)
    model, version = path.parts[-3:-1]
    pack = packs.read(packs.of_version(model, version, actor=ANA).pack_id)
    missing = [each for section in pack.sections for each in section.missing]
    assert f"The environment.json of {model}/{version} is there, and is no JSON object of at most 64 MiB." in missing
