"""The PDF of a pack: the same content as its page, PDF/A, the same bytes again, and no word of a user is a command."""

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image
from pypdf import PdfReader

from core.errors import NotFoundError, UsageError
from core.evidence import EvidencePack, EvidencePacks, pdf, verify_pack
from core.evidence.pack import EvidenceFact, EvidenceTable, Figure
from core.evidence.pdf import PdfFailedError, order_of, pdf_of, set_by_child, template_text
from core.evidence.printable import drawable
from core.evidence.wording import STATUS_WORDS
from core.rollout import Rollouts
from core.stress.stored_tests import StressTests
from tests.core.evidence.conftest import ANA, NOON, describe
from tools.demo import make_demo
from tools.demo_stress import stress_demo

HOSTILE = (
    '#read("/etc/passwd")',
    '#eval("1+1", mode: "code")',
    '#import "@preview/cetz:0.3.0"',
    "*bold* _it_ = heading $x^2$ `raw` <label> @ref // not a comment /* nor this */",
    '"); panic("out',
    "]#panic()[",
    "\\u{1F600} {{x}} %s ${x}",
    '</text><image href="file:///etc/passwd"/><script>alert(1)</script>',
)


def text_of(content: bytes) -> str:
    """Return the text layer without any white space: lines and long words are broken where the page ends."""
    return "".join("".join(page.extract_text().split()) for page in PdfReader(BytesIO(content)).pages)


def bare(text: str) -> str:
    return "".join(text.split())


def is_told(text: str, told: str) -> bool:
    """Whether a text is there, whole or on two pages."""
    return text in told or any(text[:at] in told and text[at:] in told for at in range(1, len(text)))


class Shared(NamedTuple):
    """A workspace with a pack of each kind, which no test changes."""

    packs: list[EvidencePack]
    contents: list[bytes]
    folder: Path  # of the first
    key: Path


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Shared:
    root = tmp_path_factory.mktemp("shared")
    demo = make_demo(root / "ws", now=NOON, n_versions=3, with_telemetry=False)
    version = describe(demo, root / "trained")
    stress_demo(demo, NOON)
    packs = EvidencePacks(demo)
    kept = [
        packs.of_version("spread", version, actor=ANA),
        packs.of_session("s-0001", actor=ANA),
        packs.of_rollout(Rollouts(demo).all()[0].rollout_id, actor=ANA),
        packs.of_stress_test(StressTests(demo).latest().test_id, actor=ANA),
        packs.of_model("spread", datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC), actor=ANA),
    ]
    return Shared(
        [packs.read(each.pack_id) for each in kept],
        [packs.pdf(each.pack_id) for each in kept],
        packs.folder_of(kept[0]),
        packs.public_key_file,
    )


@pytest.fixture
def pack(shared) -> EvidencePack:
    return shared.packs[0]


@pytest.fixture
def content(shared) -> bytes:
    return shared.contents[0]


def test_the_text_layer_has_all_that_the_pack_says(shared):
    for pack, content in zip(shared.packs, shared.contents, strict=True):
        told = text_of(content)
        for section in pack.sections:
            said = [section.title, STATUS_WORDS[section.status], *section.paragraphs, *section.missing]
            said += [text for fact in section.facts for text in (fact.name, fact.value.text)]
            for table in section.tables:
                said += [table.title, table.about, *table.columns]
                said += [cell.text for row in table.rows for cell in row]
            said += [chart.title for chart in section.charts]
            for text in said:
                assert is_told(bare(drawable(text)), told), (pack.pack_id, section.title, text)
        for source in pack.sources:
            for text in (source.id, source.place, source.sha256):
                assert is_told(bare(text), told), (pack.pack_id, source.id)
        for text in (pack.notice, pack.proof.root, pack.proof.hash, pack.workspace, pack.built_by):
            assert bare(text) in told


def test_values_are_in_pictures_as_well_as_in_their_descriptions(pack, content):
    chart = next(chart for section in pack.sections for chart in section.charts)
    reader = PdfReader(BytesIO(content))
    described = [
        str(found["/Alt"])
        for found in (each.get_object() for each in map(reader.get_object, range(1, len(reader.xref[0]))))
        if isinstance(found, dict) and "/Alt" in found
    ]
    assert any(chart.title in each and chart.names[0] in each for each in described)
    assert chart.names[0] in text_of(content)


def test_it_is_pdf_a_and_tagged_and_has_no_action_and_no_address_outside(shared):
    for pack, content in zip(shared.packs, shared.contents, strict=True):
        reader = PdfReader(BytesIO(content))
        catalog = reader.trailer["/Root"]
        about = catalog["/Metadata"].get_data().decode()
        assert re.search(r"<pdfaid:part>2</pdfaid:part>.*<pdfaid:conformance>A</pdfaid:conformance>", about, re.DOTALL)
        assert "<pdfuaid:part>1</pdfuaid:part>" in about
        assert catalog["/MarkInfo"]["/Marked"] == True  # noqa: E712 - a boolean of the file
        assert catalog["/Lang"] == "en"
        assert "/StructTreeRoot" in catalog
        assert reader.metadata.title == f"Evidence on {pack.title}"
        assert reader.metadata.creation_date == pack.built_at.replace(microsecond=0)
        for name in ("/OpenAction", "/AA", "/AcroForm", "/Names"):
            assert name not in catalog or "/JavaScript" not in catalog[name], name
        for word in (b"/JavaScript", b"/Launch", b"/URI", b"/SubmitForm", b"/EmbeddedFile"):
            assert word not in content
        fonts = {
            font.get_object()["/BaseFont"]: font.get_object()
            for page in reader.pages
            for font in page["/Resources"].get("/Font", {}).values()
        }
        assert fonts
        for font in fonts.values():
            about_font = font["/DescendantFonts"][0].get_object()["/FontDescriptor"]
            assert {"/FontFile2", "/FontFile3"} & set(about_font)


def test_every_figure_links_to_its_source_and_every_section_is_in_the_outline(pack, content):
    reader = PdfReader(BytesIO(content))
    links = [
        annotation.get_object()
        for page in reader.pages
        for annotation in page.get("/Annots", ())
        if annotation.get_object()["/Subtype"] == "/Link"
    ]
    figures = [fact.value for section in pack.sections for fact in section.facts]
    figures += [cell for section in pack.sections for table in section.tables for row in table.rows for cell in row]
    figures += [Figure("", chart.source) for section in pack.sections for chart in section.charts]
    linked = sum(bool(figure.source) for figure in figures)
    assert linked > 50
    assert len(links) >= linked + len(pack.sections)
    titles = [entry.title for entry in reader.outline if not isinstance(entry, list)]
    assert titles == [*(f"{each.number}. {each.title}" for each in pack.sections), "Sources", "Proof"]


def test_each_page_but_the_first_names_the_pack_and_all_are_numbered(pack, content):
    pages = PdfReader(BytesIO(content)).pages
    assert len(pages) > 5
    for number, page in enumerate(pages, 1):
        told = page.extract_text()
        assert f"Page {number} of {len(pages)}" in told
        assert "Evidence on spread 1.3.0" in told
        assert pack.pack_id in told


def test_the_same_pack_gives_the_same_bytes(pack, content):
    assert pdf_of(pack) == content


def test_hostile_words_are_set_as_they_are(pack):
    facts = tuple(EvidenceFact(name=text, value=Figure(text, "S1")) for text in HOSTILE)
    table = EvidenceTable(title=HOSTILE[3], columns=HOSTILE, rows=(tuple(map(Figure, HOSTILE)),), about=HOSTILE[0])
    first = replace(
        pack.sections[0], title=HOSTILE[0], facts=facts, tables=(table,), paragraphs=HOSTILE, missing=HOSTILE
    )
    charts = tuple(
        replace(chart, title=HOSTILE[7], names=HOSTILE[-len(chart.names) :], unit=HOSTILE[1])
        for section in pack.sections
        for chart in section.charts
        if len(chart.names) <= len(HOSTILE)
    )
    second = replace(pack.sections[1], charts=charts)
    hostile = replace(
        pack, title=HOSTILE[0], workspace=HOSTILE[3], sections=(first, second, *pack.sections[2:]), notice=HOSTILE[4]
    )
    content = pdf_of(hostile)
    told = text_of(content)
    for text in HOSTILE:
        assert told.count(bare(text)) >= 6, text
    assert "root:x:0:0" not in told
    assert PdfReader(BytesIO(content)).metadata.title == f"Evidence on {HOSTILE[0]}"


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.text(max_size=300), name=st.text(max_size=40))
def test_any_text_is_set_whatever_it_holds(a_pack, text, name):
    pack = a_pack()
    section = replace(
        pack.sections[0],
        facts=(EvidenceFact(name=name, value=Figure(text)),),
        tables=(EvidenceTable(title=text, columns=(name, text), rows=((Figure(text), Figure(name)),)),),
        paragraphs=(text,),
    )
    small = replace(pack, title=name, sections=(section,), sources=pack.sources)
    assert pdf_of(small).startswith(b"%PDF-1.7")


def test_characters_that_the_fonts_lack_are_spelled_and_the_file_says_so(pack):
    told = text_of(pdf_of(replace(pack, title="東京 desk")))
    assert "[U+6771][U+4EAC]desk" in told
    assert "Theyarespelledastheircodepoints" in told
    assert "Theyarespelledastheircodepoints" not in text_of(pdf_of(pack))


@pytest.mark.journey
def test_every_drawable_character_is_drawn(pack):
    from core.evidence.printable import _DRAWN

    letters = [chr(code) for first, last in _DRAWN for code in range(first, last + 1)]
    shown = [letter for letter in letters if drawable(letter) == letter]
    assert len(shown) > 2_000
    rows = tuple((Figure(letter), Figure(letter)) for letter in shown)
    table = EvidenceTable(title="letters", columns=("a", "b"), rows=rows)
    # Refused text would be set anew without any letter beyond ASCII.
    section = replace(pack.sections[0], tables=(table,), paragraphs=())
    told = text_of(set_by_child(order_of(replace(pack, sections=(section,)), template_text())))
    assert "Ωд≥→✓" not in told  # each has a row of its own
    assert all(letter in told for letter in "Ωд≥→✓Žß€")


@pytest.mark.parametrize(
    "template",
    [
        pytest.param('#read("evidence.typ")', id="a file beside it"),
        pytest.param('#read("/pdf.py")', id="a file below the root"),
        pytest.param('#read("../../../../../../etc/hostname")', id="a file elsewhere"),
        pytest.param('#image("evidence.typ")', id="a picture"),
        pytest.param('#include "evidence.typ"', id="another document"),
        pytest.param('#import "@preview/cetz:0.3.0": *', id="a package"),
        pytest.param('#import "@local/any:0.1.0": *', id="a local package"),
    ],
)
def test_even_a_template_of_another_hand_opens_nothing(pack, template):
    order = replace(order_of(pack, template_text()), template=f'#set document(title: "t")\n{template}')
    with pytest.raises(pdf._NotSetError):
        set_by_child(order)


@pytest.mark.parametrize(
    ("template", "limits", "named"),
    [
        pytest.param(
            "#let x = 0\n#while true { x = x + 1; if x > 1000000000 { break } }", {"cpu_seconds": 2}, "", id="a loop"
        ),
        pytest.param(
            '#let all = range(60).fold("x" * 1000, (a, _) => a + a)\n#all.len()',
            {"memory_mib": 1024},
            "1,024 MiB of memory",
            id="memory",
        ),
    ],
)
def test_what_takes_too_much_is_ended_and_said_in_one_sentence(pack, template, limits, named):
    order = replace(order_of(pack, template_text()), template=template, **limits)
    with pytest.raises((PdfFailedError, pdf._NotSetError)) as refused:
        set_by_child(order)
    if named:
        assert named in str(refused.value)
        assert "--no-pdf" in str(refused.value)


def test_a_changed_byte_of_the_pdf_is_named(shared, tmp_path):
    key = shared.key
    folder = tmp_path / "auditor"
    shutil.copytree(shared.folder, folder)
    assert verify_pack(folder / "evidence.pdf", key).ok
    content = (folder / "evidence.pdf").read_bytes()
    for at in range(0, len(content), len(content) // 60):
        (folder / "evidence.pdf").write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert verify_pack(folder, key).damage == ("evidence.pdf was edited: its SHA-256 is not that in manifest.json",)
    (folder / "evidence.pdf").unlink()
    assert verify_pack(folder, key).damage == ("evidence.pdf is missing",)


def test_without_the_extra_a_pack_has_none_and_a_demanded_one_is_refused_in_one_sentence(packs, described, monkeypatch):
    monkeypatch.setattr(pdf, "find_spec", lambda name: None)
    kept = packs.of_version("spread", described, actor=ANA)
    assert sorted(file.name for file in packs.files_of(kept)) == ["evidence.html"]
    with pytest.raises(NotFoundError, match="was built without a PDF"):
        packs.pdf(kept.pack_id)
    with pytest.raises(UsageError, match=r"^A PDF needs the optional extra: pip install 'bondx-console\[pdf\]'"):
        packs.of_version("spread", described, actor=ANA, pdf=True)
    assert len(packs.all()) == 1


def test_a_pack_can_be_built_without_a_pdf(packs, described, key):
    kept = packs.of_version("spread", described, actor=ANA, pdf=False)
    assert "evidence.pdf" not in packs.manifest(kept.pack_id).files
    assert verify_pack(packs.folder_of(kept), key).ok


def test_a_pdf_that_cannot_be_made_leaves_no_pack(packs, described, monkeypatch, demo):
    monkeypatch.setattr(pdf, "template_text", lambda: "#panic()")
    with pytest.raises(PdfFailedError, match=r"^The PDF of the pack cannot be made: panicked.*--no-pdf\.$"):
        packs.of_version("spread", described, actor=ANA)
    assert packs.all() == []
    assert list((demo.reports_dir / "evidence").glob("*")) == []


def test_denied_columns_are_not_in_the_pdf(demo, described, packs):
    text = demo.settings_file.read_text()
    demo.settings_file.write_text(text.replace("denied_columns: []", "denied_columns: ['rating*']"))
    told = text_of(packs.pdf(packs.of_version("spread", described, actor=ANA).pack_id))
    assert not re.search(r"(?<![a-z])rating(?:_num)?(?![a-z])", told)
    assert "sector" in told


@pytest.fixture
def a_pack(pack):
    """The pack as a call: hypothesis would spell all of it for each example."""
    return lambda: pack


needs_poppler = pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="pdftoppm (poppler-utils) is not installed")


def pictures_of(content: bytes, folder: Path) -> list[Image.Image]:
    folder.mkdir()
    (folder / "pack.pdf").write_bytes(content)
    subprocess.run(["pdftoppm", "-r", "50", "-png", "pack.pdf", "page"], cwd=folder, check=True)
    return [Image.open(file).convert("L") for file in sorted(folder.glob("page-*.png"))]


@needs_poppler
def test_every_page_is_drawn_within_its_margins(shared, tmp_path):
    for number, (pack, content) in enumerate(zip(shared.packs, shared.contents, strict=True)):
        pages = pictures_of(content, tmp_path / str(number))
        assert len(pages) == len(PdfReader(BytesIO(content)).pages)
        for place, page in enumerate(pages, 1):
            left, top, right, bottom = page.point(lambda grey: 255 if grey < 200 else 0).getbbox()
            width, height = page.size
            # 20 mm of 210 on either side, 9 mm of 297 above and below, with two pixels of tolerance.
            is_inside = left >= width * 20 / 210 - 3 and right <= width * 190 / 210 + 3
            assert is_inside, (pack.pack_id, place, left, right)
            is_inside = top >= height * 9 / 297 and bottom <= height * 288 / 297
            assert is_inside, (pack.pack_id, place, top, bottom)
            dark = page.histogram()
            assert 0.002 < sum(dark[:200]) / (width * height) < 0.35, (pack.pack_id, place)


@needs_poppler
def test_a_table_of_many_columns_and_long_words_stays_within_the_page(pack, tmp_path):
    columns = tuple(f"a_rather_long_name_{number}" for number in range(16))
    rows = tuple(tuple(Figure("W" * 30 + "0123456789abcdef" * 4, "S1") for _ in columns) for _ in range(3))
    table = EvidenceTable(title="x" * 400, columns=columns, rows=rows)
    facts = (EvidenceFact(name="N" * 300, value=Figure("ab" * 4_000, "S1")),)
    wide = replace(pack, sections=(replace(pack.sections[0], tables=(table,), facts=facts),))
    for page in pictures_of(pdf_of(wide), tmp_path / "wide"):
        left, _, right, _ = page.point(lambda grey: 255 if grey < 200 else 0).getbbox()
        assert left >= page.size[0] * 20 / 210 - 3
        assert right <= page.size[0] * 190 / 210 + 3


@needs_poppler
def test_a_foreign_reader_finds_the_same_words(pack, content, tmp_path):
    (tmp_path / "pack.pdf").write_bytes(content)
    told = subprocess.run(["pdftotext", "pack.pdf", "-"], cwd=tmp_path, check=True, capture_output=True, text=True)
    words = bare(told.stdout)
    for section in pack.sections:
        assert bare(f"{section.number}. {section.title}") in words
        for fact in section.facts:
            assert bare(fact.value.text) in words, fact


def test_the_order_is_data_alone(pack):
    order = order_of(replace(pack, title=HOSTILE[0]), template_text())
    assert order.template == template_text()
    assert "/etc/passwd" not in order.template
    for word in ("eval(", "read(", "import ", "include ", "plugin("):
        assert word not in re.sub(r"//.*", "", order.template), word
    assert json.loads(json.dumps(order.pack.title)) == f"Evidence on {HOSTILE[0]}"
