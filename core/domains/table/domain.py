"""A user's own table: one model, of any name, on the columns of a file."""

from core.domains.domain import ModelOffer


class TableDomain:
    """The domain of `bondx-mlops train`: it draws nothing, it reads what it is given."""

    name = "table"
    models = {
        "table": ModelOffer(
            "core.domains.table.models.model:TableModel",
            ("auto", "linear", "lightgbm", "hist_gradient_boosting", "isolation_forest"),
        )
    }


TABLE = TableDomain()
