"""Sustainability scores of two providers that partly agree, and which scores are published."""

from dataclasses import dataclass

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.draws import stream, systematic_sample
from core.domains.bonds.data.issuers import EMERGING, Issuers, in_sectors, is_high_yield
from core.domains.bonds.data.world import World

_REGION_SHIFT = np.array([region.esg_shift for region in cal.REGIONS.value])


@dataclass(frozen=True, slots=True)
class EsgScores:
    """Scores by issuer and year, shape (n_issuers, 5), the pillars (3, n_issuers, 5)."""

    score: FloatArray
    pillars: FloatArray  # E, S and G
    provider2: FloatArray
    observed: BoolArray  # whether the first provider's score and pillars are published
    second_observed: BoolArray
    mean_given_rest: FloatArray  # of an unpublished score of the first provider, before it is clipped to 0-100
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
    location = law["mean"] + law["notch"] * (notch - law["centre_notch"]) + _REGION_SHIFT[world.issuers.region, None]
    score = np.clip(location + law["sd"] * z, 0, 100)
    agreement = law["provider_correlation"]
    pillars = np.clip(score + law["pillar_sd"] * rng.standard_normal((3, *shape)), 0, 100)
    second_z = agreement * z + np.sqrt(1 - agreement**2) * rng.standard_normal(shape)
    second = np.clip(location + law["sd"] * second_z, 0, 100)

    n_rows = np.zeros(shape, dtype=np.int64)
    np.add.at(n_rows, (world.bonds.issuer[world.row_bond], world.row_year), 1)
    seen = n_rows > 0
    observed = np.ones(shape, dtype=np.bool_)
    observed[seen] = ~systematic_sample(rng, missing_probability(esg_base, world.issuers, notch)[seen], n_rows[seen])
    second_observed = rng.random(shape) >= cal.ESG_MISSING.value["second_provider"]
    informed = second_observed * agreement
    return EsgScores(
        score=score,
        pillars=pillars,
        provider2=second,
        observed=observed,
        second_observed=second_observed,
        mean_given_rest=location + informed * (second - location),
        sd_given_rest=law["sd"] * np.sqrt(1 - informed**2),
    )


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
