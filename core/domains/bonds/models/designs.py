"""The features of each built-in model.

Prices, yields, durations, labels and all columns computed from the spread itself are absent on purpose: they are the
target in disguise. `market_implied_gap` leaks the spread's issuer effect, so only the downgrade model may read it.
"""

from core.domains.bonds.models.derived import DERIVED
from core.models.learners.feature_space import Curve, Design, Levels, Product

_CATEGORIES = ("sector", "region", "currency", "seniority", "outlook")
_MACRO = ("policy_rate", "slope", "cpi_yoy", "ln_fx_vol", "credit_cycle", "ln_vix")
_ISSUER = (
    "rating_num",
    "ln_leverage",
    "ln_coverage",
    "debt_due_12m",
    "log_assets",
    "esg_score",
    "news_sentiment",
    "recent_downgrade",
)
_DECOYS = ("web_traffic_z", "news_count", "supplier_stress")
_BOND = (
    "ln_maturity",
    "ln_age",
    "ln_size",
    "callable",
    "liquidity_index",
    "ln_bid_ask",
    "ln_turnover",
    "fund_ownership",
)

SPREAD = Design(
    derived=DERIVED,
    terms=(
        Curve("rating_num", knots=(2.0, 5.0, 8.0, 11.0, 14.0, 16.0, 18.0), prior_sd=1.0, bend_sd=0.5),
        Levels("rating", prior_sd=0.2),
        Curve("ln_maturity", bends=2),
        Curve("credit_cycle", bends=2),
        Curve("liquidity_index", bends=2),
        Curve("ln_leverage", within="rating_num"),
        Curve("ln_coverage", within="rating_num"),
        Curve("news_sentiment", prior_sd=0.2),
        Curve("policy_rate", prior_sd=0.2),
        Curve("cpi_yoy", prior_sd=0.2),
        Curve("ln_fx_vol", prior_sd=0.2),
        Curve("esg_score", prior_sd=0.2, nullable=True),
        Curve("em_hard_currency", prior_sd=0.2),
        Curve("callable", prior_sd=0.2),
        Curve("is_sovereign", prior_sd=1.0),
        Curve("is_supranational", prior_sd=1.0),
        Levels("sector", prior_sd=0.3),
        Levels("region", prior_sd=0.3),
        Levels("seniority", prior_sd=0.3),
        Levels("outlook", prior_sd=0.3),
        Product("rating_num", "ln_maturity"),
        Product("rating_num", "credit_cycle"),
        Product("rating_num", "liquidity_index"),
        Product("rating_num", "is_sovereign", prior_sd=0.4),
        Product("rating", "is_sovereign", prior_sd=0.2),
        Product("rating_num", "seniority"),
        Product("rating_num", "outlook", prior_sd=0.1),
        Product("rating_num", "ln_leverage", prior_sd=0.1),
        Product("rating_num", "ln_coverage", prior_sd=0.1),
        Product("sector", "credit_cycle", prior_sd=0.1, straight=True),
        Product("em_hard_currency", "ln_fx_vol", prior_sd=0.1),
        Product("liquidity_index", "credit_cycle", prior_sd=0.1),
    ),
    tree_numbers=(*_ISSUER, *_MACRO, *_BOND, *_DECOYS),
    tree_categories=_CATEGORIES,
    rising=("rating_num", "credit_cycle"),
)

DOWNGRADE = Design(
    derived=DERIVED,
    terms=(
        Curve("rating_num", bends=4, prior_sd=0.7, bend_sd=0.5),
        Levels("rating", prior_sd=0.4),
        Levels("outlook", prior_sd=1.2),
        Curve("credit_cycle", bends=1, prior_sd=0.7),
        Curve("ln_leverage", within="rating_num"),
        Curve("ln_coverage", within="rating_num", bends=3),
        Curve("debt_due_12m", bends=3),
        Curve("market_implied_gap"),
        Curve("news_sentiment"),
        Curve("recent_downgrade"),
        Levels("sector", prior_sd=0.2),
        Levels("region", prior_sd=0.1),
        Curve("ln_vix", prior_sd=0.1),
        Curve("policy_rate", prior_sd=0.1),
        Curve("esg_score", prior_sd=0.1, nullable=True),
        Curve("log_assets", prior_sd=0.1),
        Product("debt_due_12m", "credit_cycle", prior_sd=0.3),
        Product("sector", "credit_cycle", prior_sd=0.1, straight=True),
    ),
    tree_numbers=(*_ISSUER, *_MACRO, "market_implied_gap", *_DECOYS),
    tree_categories=("sector", "region", "outlook"),
    rising=("credit_cycle",),
)

_SHOCK_TERMS = (
    Curve("ln_vix", bends=1),
    Curve("ln_bid_ask", bends=1),
    Curve("is_high_yield"),
    Curve("fund_ownership", bends=1),
    Curve("ln_size"),
    Curve("ln_age"),
    Curve("dealer_inventory_z"),
)

LIQUIDITY_SHOCK = Design(
    derived=DERIVED,
    terms=(
        Curve("credit_cycle", bends=1, prior_sd=0.7),
        *_SHOCK_TERMS,
        Curve("rating_num", bends=2, prior_sd=0.2, bend_sd=0.1),
        Curve("ln_maturity", prior_sd=0.1),
        Curve("ln_turnover", prior_sd=0.1),
        Curve("liquidity_index", bends=1, prior_sd=0.2, bend_sd=0.1),
        Levels("sector", prior_sd=0.1),
        Levels("region", prior_sd=0.1),
        Product("is_high_yield", "credit_cycle", prior_sd=0.1),
    ),
    tree_numbers=(
        *_MACRO,
        "dealer_inventory_z",
        "rating_num",
        "ln_maturity",
        "ln_age",
        "ln_size",
        "ln_bid_ask",
        "ln_turnover",
        "zero_trade_share",
        "liquidity_index",
        "fund_ownership",
        "news_sentiment",
    ),
    tree_categories=("sector", "region"),
    rising=("credit_cycle", "ln_bid_ask", "fund_ownership"),
)

ANOMALY_FOREST = (
    "rating_num",
    "ln_maturity",
    "ln_age",
    "ln_size",
    "ln_leverage",
    "ln_coverage",
    "liquidity_index",
    "ln_bid_ask",
    "ln_turnover",
    "credit_cycle",
    "ln_vix",
    "policy_rate",
    "cpi_yoy",
    "news_sentiment",
    "coupon_pct",
    "spread_bps",
)

_GAP = "market_implied_gap"
JOINT_STRESS = Design(
    derived=DERIVED,
    terms=(
        *SPREAD.terms,
        Curve("debt_due_12m", bends=3),
        Curve("recent_downgrade"),
        *_SHOCK_TERMS,
        Product("debt_due_12m", "credit_cycle", prior_sd=0.3),
        Product("is_high_yield", "credit_cycle", prior_sd=0.1),
        Product("outlook", "credit_cycle", prior_sd=0.1, straight=True),
    ),
    tree_numbers=tuple(
        name
        for name in dict.fromkeys((*SPREAD.tree_numbers, *DOWNGRADE.tree_numbers, *LIQUIDITY_SHOCK.tree_numbers))
        if name != _GAP
    ),
    tree_categories=_CATEGORIES,
    rising=("credit_cycle",),
)
