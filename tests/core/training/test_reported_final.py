"""The report of a session's end names no denied column with the scores by which it was chosen."""

import msgspec

from core.domains.report_section import ReportSection
from core.explain.deny_list import DenyList
from core.training.records import FinalModel, FinalRecord
from core.training.reported_final import reported_final
from core.training.tuning.records import FeatureRecord, SelectionRecord

MODEL = FinalModel(
    name="spread",
    folder="final/spread",
    files={},
    chosen="trees",
    way="refit",
    metrics={"test.attainment": 0.9},
    importance={"size": 0.6, "(denied columns)": 0.4},
    slices={"sector=Energy": {"n_rows": 50.0}},
    report={
        "ships": "trees",
        "n_rows": 150,
        "weights": {"tax_id": 0.2, "size": 0.8},
        "reads": ["tax_id", "size"],
        "most_different": "tax_id x size",
    },
)
RECORDS = tuple(
    FeatureRecord(name=name, score=0.5, shadow=0.1, kept_on=1.0, is_kept=True) for name in ("tax_id", "size")
)
FINAL = FinalRecord(
    epoch=3,
    best_epoch=2,
    score=0.9,
    draws=(),
    models=(MODEL,),
    sections=(
        ReportSection(
            title="Stress",
            about="",
            columns=("case",),
            rows=(("calm", "tax_id 4%"), ("calm", "")),
        ),
    ),
    selections=(
        SelectionRecord(
            model="spread", method="gain", n_columns=2, columns=RECORDS, features=("tax_id", "size"), ships=True, why=""
        ),
    ),
    columns=("tax_id", "size", "tax_id x size"),
)


def test_what_names_a_denied_column_is_left_out():
    found = reported_final(FINAL, DenyList(["tax_*"]))
    assert "tax_id" not in msgspec.json.encode(found).decode()
    (model,) = found.models
    assert (model.importance, model.slices) == (MODEL.importance, MODEL.slices)
    assert model.report == {"ships": "trees", "n_rows": 150, "weights": {"size": 0.8}, "reads": ["size"]}
    assert found.sections[0].rows == (("calm", ""),)
    assert found.selections[0].features == ("size",)


def test_a_broad_pattern_leaves_out_every_column_and_nothing_else():
    found = reported_final(FINAL, DenyList(["*"]))
    assert not any(name in msgspec.json.encode(found.selections).decode() for name in FINAL.columns)
    assert found.models[0].report == {"ships": "trees", "n_rows": 150, "weights": {}, "reads": []}
    assert found.sections == reported_final(FINAL, DenyList(["tax_*"])).sections
    assert (found.columns, found.selections[0].model) == ((), "spread")


def test_without_denied_columns_nothing_changes():
    assert reported_final(FINAL, DenyList()) is FINAL
    assert reported_final(FINAL, DenyList(["other"])) is FINAL
