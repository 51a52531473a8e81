"""Results of gates that tell figures and cells of the column `tax_id`, all of which begin with 4711."""

from core.quality.gate import GateResult, GateVerdict, judge

OF_A_COLUMN = judge("index_median", 4711.25, ">=", 5000.0, n_samples=100, window="rows", columns=["tax_id"])
OF_AN_EARLIER_RELEASE = GateResult(
    name="tax_id_median",
    verdict=GateVerdict.FAIL,
    value=4711.5,
    threshold=5000.0,
    comparison=">=",
    reason="4711.5 < 5000",
)
NAMING_ROWS = judge("coverage", 80.0, ">=", 90.0, offending=["4711.75"], n_offending=1, named_by=["tax_id"])
OF_ANOTHER_COLUMN = judge("size_median", 1234.0, "<=", 2000.0, columns=["size"])
GATES = (OF_A_COLUMN, OF_AN_EARLIER_RELEASE, NAMING_ROWS, OF_ANOTHER_COLUMN)
DENIED = "\nexplanation: {denied_columns: ['tax_*']}\n"
TOLD = "4711"
