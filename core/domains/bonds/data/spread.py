"""The spread model: an expected spread s(x) that is exact given the observations, and the noise around it."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from core.arrays import BoolArray, FloatArray, IntArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.instruments import CURRENCY_NAMES, SENIORITY_NAMES
from core.domains.bonds.data.issuers import CYCLICALITY, EMERGING, OUTLOOKS, public_sector_scale
from core.domains.bonds.data.ratings import default_intensity, notch_index, risk_premium

LN_VARIANCE = sum(sd**2 for sd in cal.SPREAD_SD.value.values())
"""Variance of m, the whole multiplicative noise."""

_ESG_NODES = 20
_LGD = np.array(list(cal.LGD.value.values()))
_SECTOR_EFFECT = np.array([sector.ln_spread for sector in cal.SECTORS.value])
_REGION_EFFECT = np.array([region.ln_spread for region in cal.REGIONS.value])


@dataclass(frozen=True, slots=True)
class SpreadInputs:
    """The inputs of the expected spread, except the ESG score; every array has shape (n,)."""

    notch: IntArray
    maturity: FloatArray
    seniority: IntArray
    sector: IntArray
    region: IntArray
    currency: IntArray
    outlook: IntArray
    callable: BoolArray
    z_leverage: FloatArray
    z_coverage: FloatArray
    sentiment: FloatArray
    liquidity_index: FloatArray
    policy_rate: FloatArray
    cpi_yoy: FloatArray
    fx_vol: FloatArray
    cycle: FloatArray


def maturity_exponent(notch: IntArray) -> FloatArray:
    """Return the power of T/5 in the risk premium, linear between the calibrated notches."""
    knots = cal.MATURITY_EXPONENT.value
    exponent: FloatArray = np.interp(notch, [notch_index(symbol) for symbol, _ in knots], [power for _, power in knots])
    return exponent


def ln_premium_effect(x: SpreadInputs) -> FloatArray:
    """Return g(x), the log effect on the risk premium, at the average ESG score.

    Source:
        Signs after Duffee (1998) and Campbell and Taksler (2003); sizes are calibrated.
    """
    effect = cal.SPREAD_EFFECTS.value
    outlook = np.array([cal.OUTLOOK_ON_SPREAD.value[name] for name in OUTLOOKS])
    hard_currency = x.currency != CURRENCY_NAMES.index("LOCAL_EM")
    subordinated = x.seniority >= SENIORITY_NAMES.index("subordinated")
    theta = dict(zip(cal.MACRO_FACTORS.value, cal.MACRO_THETA.value, strict=True))
    g: FloatArray = (
        _SECTOR_EFFECT[x.sector]
        + _REGION_EFFECT[x.region]
        + effect["leverage"] * x.z_leverage
        + effect["coverage"] * x.z_coverage
        + effect["sentiment"] * x.sentiment
        + outlook[x.outlook]
        + effect["callable"] * x.callable
        + effect["policy_rate"] * (x.policy_rate - theta["policy_rate"])
        + effect["cpi"] * (x.cpi_yoy - theta["cpi_yoy"])
        + effect["fx_vol"] * (EMERGING[x.region] & hard_currency) * np.log(x.fx_vol / cal.TYPICAL_FX_VOL.value)
        + effect["cyclicality"] * (CYCLICALITY[x.sector] - effect["mean_cyclicality"]) * x.cycle
        + effect["subordinated"] * subordinated
    )
    return g


def expected_spread(
    x: SpreadInputs,
    esg: FloatArray,
    *,
    esg_observed: BoolArray,
    esg_mean: FloatArray,
    esg_sd: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return s(x) with the ESG score known, and with a missing one integrated out, both in bp.

    Args:
        x: The other inputs of the spread.
        esg: The score behind each row, observed or not.
        esg_observed: Where the score is among the features.
        esg_mean: Mean of the logit of the score given the other features, where the score is missing.
        esg_sd: Its standard deviation there.
    Returns:
        `s_full` and `s_opt`, each of shape (n,).
    """
    expected_loss = default_intensity(x.notch, x.maturity) * _LGD[x.seniority] * 1e4
    premium = (
        risk_premium()[x.notch]
        * (x.maturity / cal.ANCHOR_MATURITY.value) ** maturity_exponent(x.notch)
        * np.exp(ln_premium_effect(x) + cal.CYCLE_ON_SPREAD.value * x.cycle)
    )
    index = cal.LIQUIDITY_INDEX_SCALE.value
    liquidity = np.array(cal.LIQUIDITY_PREMIUM.value)[x.notch] * np.exp(
        -(x.liquidity_index - index["centre"]) / index["scale"] + cal.CYCLE_ON_LIQUIDITY_PREMIUM.value * x.cycle
    )
    scale = public_sector_scale(x.sector, x.notch)
    known = esg_effect(esg)
    s_full = scale * (expected_loss + premium * known + liquidity)
    integrated = known.copy()
    hidden = ~esg_observed
    if hidden.any():
        integrated[hidden] = mean_esg_effect(esg_mean[hidden], esg_sd[hidden])
    s_opt = scale * (expected_loss + premium * integrated + liquidity)
    return s_full, s_opt


def esg_effect(esg: FloatArray) -> FloatArray:
    """Return the factor of an ESG score on the risk premium; 1 at the average score."""
    law = cal.ESG.value
    factor: FloatArray = np.exp(cal.SPREAD_EFFECTS.value["esg"] * (esg - law["mean"]) / law["sd"])
    return factor


def mean_esg_effect(mean: FloatArray, sd: FloatArray) -> FloatArray:
    """Return the mean factor of a score whose logit is normal, by Gauss-Hermite quadrature with 20 nodes."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_ESG_NODES)
    average: FloatArray = esg_effect(100 * expit(mean[:, None] + sd[:, None] * nodes)) @ (weights / weights.sum())
    return average
