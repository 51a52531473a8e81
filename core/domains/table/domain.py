"""A user's own table: one model, of any name, on the columns of a file."""

from pathlib import Path
from typing import TYPE_CHECKING

from core.domains.domain import ModelOffer
from core.domains.own_file import FileRequest, Judged, PreparedTraining

if TYPE_CHECKING:
    from core.executors.dask_cluster import DaskExecutor
    from core.models.interface import Model
    from core.tables import ReadingRules, Table, TableSignature
    from core.tables.parts import PartedTable


class TableDomain:
    """The domain of `bondx-mlops train`: it reads a file and draws no data."""

    name = "table"
    models = {
        "table": ModelOffer(
            "core.domains.table.models.model:TableModel",
            (
                "auto",
                "linear",
                "lightgbm",
                "hist_gradient_boosting",
                "voting",
                "blending",
                "stacking",
                "isolation_forest",
            ),
        )
    }

    def prepare(self, table: "Table", request: FileRequest) -> PreparedTraining:
        """Train a model of any name on the columns of a table."""
        from core.domains.table.own_file import prepare

        return prepare(table, request)

    def prepare_parts(
        self, table: "PartedTable", rules: "ReadingRules", request: FileRequest, cluster: "DaskExecutor"
    ) -> PreparedTraining:
        """Train a model of any name on a table that the workers of a cluster read."""
        from core.domains.table.parted.training import prepare_parts

        return prepare_parts(table, rules, request, cluster)

    def to_judge(
        self,
        model: "Model",
        signature: "TableSignature | None",
        data: Path,
        rules: "ReadingRules",
        *,
        needs_target: bool = True,
    ) -> Judged | None:
        """Evaluate a table model on another file."""
        from core.domains.table.own_file import to_judge

        return to_judge(model, data, rules)


TABLE = TableDomain()
