"""The features of each model. Labels, and columns that only checks read, are absent on purpose.

A price below 1, such as a negative price of power, counts as 1; a missing number counts as missing.
"""

from core.models.learners.derived import AtLeast, DerivedColumns, Log
from core.models.learners.feature_space import Curve, Design, Levels, Product

DERIVED = DerivedColumns(
    {
        "ln_volume": Log("volume", 1.0),
        "ln_price": Log("price", 1.0),
        "ln_volatility": Log("volatility", 0.01),
        "ln_tenor": Log("tenor_months", 0.5),
        "ln_exposure": Log("exposure_meur", 1e-3),
        "ln_liquidation": Log("liquidation_days", 0.01),
        "ln_utilisation": Log("utilisation", 1e-3),
        "ln_book_volatility": Log("book_volatility", 0.01),
        "ln_gross": Log("gross_exposure_meur", 1e-3),
        "ln_net": Log("net_exposure_meur", 1e-3),
        "is_over_limit": AtLeast("utilisation", 1.0),
    }
)
RISK = Design(
    derived=DERIVED,
    terms=(
        Curve("ln_volume", nullable=True),
        Curve("ln_price", nullable=True),
        Curve("ln_volatility", nullable=True),
        Curve("ln_tenor", nullable=True),
        Curve("ln_exposure", nullable=True),
        Curve("ln_liquidation", nullable=True),
        Curve("utilisation", knots=(0.7, 0.9, 1.1, 1.8), nullable=True),
        Curve("concentration", knots=(0.15, 0.25, 0.4), nullable=True),
        Curve("curve_slope", prior_sd=0.1, nullable=True),
        Curve("collateralised"),
        Curve("hedge_flag"),
        Levels("counterparty_grade"),
        Levels("instrument", prior_sd=0.3),
        Levels("commodity", prior_sd=0.3),
        Levels("book", prior_sd=0.3),
        Product("counterparty_grade", "collateralised", prior_sd=0.3),
        Product("instrument", "ln_volatility", prior_sd=0.2, straight=True),
    ),
    tree_numbers=(
        "volume", "price", "volatility", "tenor_months", "exposure_meur", "liquidation_days", "utilisation",
        "concentration", "curve_slope", "collateralised", "hedge_flag",
    ),
    tree_categories=("counterparty_grade", "instrument", "commodity", "book"),
    rising=("volume", "volatility", "exposure_meur", "liquidation_days", "utilisation", "concentration"),
)  # fmt: skip
BREACH = Design(
    derived=DERIVED,
    terms=(
        Curve("ln_utilisation", bends=1, bend_sd=0.1),
        Curve("is_over_limit", prior_sd=2.0),
        Curve("utilisation_change", prior_sd=0.3),
        Curve("ln_book_volatility", prior_sd=0.3),
        Curve("pending_share", prior_sd=0.3),
        Curve("ln_net", prior_sd=0.1),
        Curve("ln_gross", prior_sd=0.1),
        Levels("book", prior_sd=0.15),
    ),
    tree_numbers=(
        "utilisation", "utilisation_change", "book_volatility", "pending_share", "gross_exposure_meur",
        "net_exposure_meur",
    ),
    tree_categories=("book",),
    rising=("utilisation", "utilisation_change", "book_volatility", "pending_share"),
)  # fmt: skip
MISS = Design(
    derived=DERIVED,
    terms=(
        Curve("ln_volatility", nullable=True),
        Curve("ln_liquidation", nullable=True),
        Curve("ln_tenor", prior_sd=0.05),
        Levels("venue"),
        Levels("instrument"),
        Levels("commodity", prior_sd=0.05),
    ),
    tree_numbers=("volatility", "liquidation_days", "tenor_months"),
    tree_categories=("venue", "instrument", "commodity"),
)
