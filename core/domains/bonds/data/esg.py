"""Sustainability scores of two providers that partly agree, and which scores are published."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from core.arrays import BoolArray, FloatArray, IntArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.issuers import EMERGING, Issuers, in_sectors, is_high_yield
from core.domains.bonds.data.world import World
from core.domains.draws import stream, systematic_sample

_REGION_SHIFT = np.array([region.esg_shift for region in cal.REGIONS.value])


@dataclass(frozen=True, slots=True)
class EsgScores:
    """Scores by issuer and year, shape (n_issuers, 5), the pillars (3, n_issuers, 5)."""

    score: FloatArray
    pillars: FloatArray  # E, S and G
    provider2: FloatArray
    observed: BoolArray  # whether the first provider's score and pillars are published
    second_observed: BoolArray
    mean_given_rest: FloatArray  # of the logit of an unpublished score of the first provider
    sd_given_rest: FloatArray


def draw_esg(seed: int, esg_base: float, world: World) -> EsgScores:
    """Draw the scores of both providers, and which scores are published.

    Where the first provider does not publish, its score is estimated from rating and region, and from the
    second provider's score if published.

    Args:
        seed: Seed of the panel.
        esg_base: Logit of a missing score, before size, rating, region and sector.
        world: The issuers and their years.
    """
    rng = stream(seed, "esg")
    law = cal.ESG.value
    notch, z = world.history.notch, world.reviews.z_esg
    shape = notch.shape
    location = score_location(notch, world.issuers.region[:, None])
    first = location + law["logit_sd"] * z
    agreement = law["provider_correlation"]
    pillars = first + law["pillar_logit_sd"] * rng.standard_normal((3, *shape))
    second_z = agreement * z + np.sqrt(1 - agreement**2) * rng.standard_normal(shape)
    second = location + law["logit_sd"] * second_z

    n_rows = np.zeros(shape, dtype=np.int64)
    np.add.at(n_rows, (world.bonds.issuer[world.row_bond], world.row_year), 1)
    seen = n_rows > 0
    observed = np.ones(shape, dtype=np.bool_)
    observed[seen] = ~systematic_sample(rng, missing_probability(esg_base, world.issuers, notch)[seen], n_rows[seen])
    second_observed = rng.random(shape) >= cal.ESG_MISSING.value["second_provider"]
    informed = second_observed * agreement
    return EsgScores(
        score=_points(first),
        pillars=_points(pillars),
        provider2=_points(second),
        observed=observed,
        second_observed=second_observed,
        mean_given_rest=location + informed * (second - location),
        sd_given_rest=law["logit_sd"] * np.sqrt(1 - informed**2),
    )


def score_location(notch: IntArray, region: IntArray) -> FloatArray:
    """Return the logit of a typical score, given rating and region; scores scatter normally around it.

    On the logit scale no score reaches 0 or 100, so none piles up there.
    """
    law = cal.ESG.value
    typical: FloatArray = logit(
        (law["mean"] + law["notch"] * (notch - law["centre_notch"]) + _REGION_SHIFT[region]) / 100
    )
    return typical


def _points(logit_of_score: FloatArray) -> FloatArray:
    return np.asarray(100 * expit(logit_of_score))


def missing_probability(base: float, issuers: Issuers, notch: IntArray) -> FloatArray:
    """Return the chance that no score is published: missing at random, given the observed columns.

    Args:
        base: Logit before the effects.
        issuers: The issuers, n of them.
        notch: Their ratings by year, shape (n, n_years).
    """
    effect = cal.ESG_MISSING.value
    of_issuer = (
        base
        + effect["size"] * issuers.size_z
        + effect["emerging"] * EMERGING[issuers.region]
        + effect["thin_coverage"] * in_sectors(issuers.sector, cal.ESG_THIN_SECTORS.value)
    )
    probability: FloatArray = 1 / (1 + np.exp(-(of_issuer[:, None] + effect["high_yield"] * is_high_yield(notch))))
    return probability
