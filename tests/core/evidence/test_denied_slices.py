"""A pack tells no slice that is made of a denied column, whatever the slice is called."""

import json

from msgspec.structs import replace

from core.evidence.denied import without_denied_columns
from core.evidence.pack import EvidenceSection, EvidenceSource, EvidenceTable, Figure, SectionStatus
from core.explain.deny_list import NONE_DENIED, DenyList

NAMES = ("years=0-1y", "region=EU")
REPORT = {"slices": {name: {"n_rows": 40.0} for name in NAMES}, "sliced_by": {"years": "maturity", "region": "region"}}
TABLE = EvidenceTable(title="Slices", columns=("slice",), rows=tuple((Figure(name, "S1"),) for name in NAMES))
SECTION = EvidenceSection(number=1, title="Scores", status=SectionStatus.COMPLETE, tables=(TABLE,))
SOURCE = EvidenceSource(id="S1", kind="file", place="report.json", sha256="ab" * 32, content=json.dumps(REPORT))


def test_a_slice_of_another_name_than_its_denied_column_is_left_out():
    ((section,), (source,)) = without_denied_columns((SECTION,), (SOURCE,), DenyList(["maturity"]))
    assert [row[0].text for row in section.tables[0].rows] == ["region=EU"]
    assert source.content is None


def test_slices_of_other_columns_stay():
    assert without_denied_columns((SECTION,), (SOURCE,), DenyList(["other"])) == ((SECTION,), (SOURCE,))


def test_a_slice_of_a_masked_column_is_left_out_and_its_figures_stay():
    told = tuple(
        (Figure(text, "S1"),) for text in ("years=0-1y", "years = 0-1y is worse", "years in {0-1y}", "maturity")
    )
    section = replace(SECTION, tables=(replace(TABLE, rows=(*told, *TABLE.rows)),))
    found, _ = without_denied_columns((section,), (SOURCE,), NONE_DENIED, DenyList(["maturity"]))
    assert [row[0].text for row in found[0].tables[0].rows] == ["maturity", "region=EU"]
    assert found[0].missing == ("Entries that tell a value of a masked column are left out.",)
