"""The derived columns of the bond models.

No label or price is computed from them, and they are not computed from any label or price.
"""

from core.models.learners.derived import Among, AtLeast, DerivedColumns, Log, LogOfOneMore

EMERGING_REGIONS = frozenset({"asia_ex_japan", "latin_america", "ceemea"})
LOCAL_CURRENCY = "LOCAL_EM"
FIRST_SPECULATIVE_NOTCH = 10  # BB+

DERIVED = DerivedColumns(
    {
        "ln_maturity": Log("maturity_years", 0.05),
        "ln_age": LogOfOneMore("age_years"),
        "ln_size": Log("issue_size_musd", 1.0),
        "ln_leverage": Log("leverage_x", 0.01),
        "ln_coverage": Log("interest_coverage_x", 0.01),
        "ln_bid_ask": Log("bid_ask_bps", 0.1),
        "ln_turnover": Log("turnover_annual", 1e-3),
        "ln_fx_vol": Log("fx_vol", 1e-3),
        "ln_vix": Log("vix", 1.0),
        "is_high_yield": AtLeast("rating_num", FIRST_SPECULATIVE_NOTCH),
        "is_sovereign": Among({"sector": frozenset({"sovereign"})}),
        "is_supranational": Among({"sector": frozenset({"supranational_agency"})}),
        "em_hard_currency": Among({"region": EMERGING_REGIONS}, {"currency": frozenset({LOCAL_CURRENCY})}),
    }
)
