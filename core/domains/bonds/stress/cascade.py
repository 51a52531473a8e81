"""Who is cut: the seeds of a shock, the worse cycle, and contagion round by round until it settles.

Each issuer has one number between 0 and 1, drawn from its identifier alone. It would be cut in an ordinary year if the
number is below its chance of a downgrade, and is cut by the shock if it lies between that chance and the chance under
the shock. The same issuer answers every scenario with the same number: a worse shock cuts all whom a lesser shock cuts.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit

from core.arrays import BoolArray, FloatArray, IntArray
from core.domains.bonds.data.issuers import REGION_NAMES, SECTOR_NAMES, Reviews
from core.domains.bonds.data.labels import downgrade_odds, frailty_integrated
from core.domains.bonds.data.levels import levels
from core.domains.bonds.data.ratings import DEFAULT_RATE, N_LIVE, down_probability
from core.domains.bonds.data.settings import BondSettings
from core.domains.bonds.stress import calibration as own
from core.domains.bonds.stress.market import BondMarket
from core.domains.bonds.stress.shock import CALM, BondShock

_SOVEREIGN = SECTOR_NAMES.index("sovereign")


@dataclass(frozen=True, slots=True)
class CascadeRound:
    """One round: which issuers it cuts for the first time."""

    cut: BoolArray


@dataclass(frozen=True, slots=True)
class Cascade:
    """What a shock does to ratings.

    Attributes:
        notches: How far each issuer is cut, shape (n_issuers,).
        rounds: Round 0 are the seeds, later rounds the cycle and contagion, and a last one the ceiling of cut
            sovereigns; every issuer that is cut is in one of them.
        settled_round: The last round that cut at least the share that counts.
        default_chance: Within a year, after the shock, shape (n_issuers,).
        radius: The largest eigenvalue of the contagion; below 1 a cascade dies out.
    """

    notches: IntArray
    rounds: tuple[CascadeRound, ...]
    settled_round: int
    default_chance: FloatArray
    radius: float

    @property
    def is_cut(self) -> BoolArray:
        """Which issuers are cut."""
        return self.notches > 0


class Contagion:
    """The issuers of a portfolio, and how cuts travel between them."""

    def __init__(self, market: BondMarket) -> None:
        """Read the issuers of a portfolio."""
        self._market = market
        portfolio = market.portfolio
        self._first = portfolio.representative
        self.notch = portfolio.notch[self._first]
        self.sector = portfolio.codes["sector"][self._first]
        self.region = portfolio.codes["region"][self._first]
        self._country = portfolio.country[self._first]
        self.n = portfolio.n_issuers

    @cached_property
    def fate(self) -> FloatArray:
        """The number of each issuer, from its identifier."""
        digests = (
            hashlib.blake2b(str(name).encode(), digest_size=8).digest() for name in self._market.portfolio.issuers
        )
        return np.array([int.from_bytes(digest, "big") / 2**64 for digest in digests])

    @cached_property
    def _sovereigns(self) -> IntArray:
        """The sovereign of each country: of several issuers, the best rated, since no ceiling is below it."""
        here = np.flatnonzero((self.sector == _SOVEREIGN) & (self._country >= 0))
        best = here[np.argsort(self.notch[here], kind="stable")]
        _, first = np.unique(self._country[best], return_index=True)
        sovereigns: IntArray = best[first]
        return sovereigns

    @cached_property
    def calm_chance(self) -> FloatArray:
        """The chance of a downgrade within a year before any shock."""
        return frailty_integrated(self._odds(CALM))

    @cached_property
    def calm_default(self) -> FloatArray:
        """The chance of default within a year before any shock."""
        return self._default_chance(self._odds(CALM), self.notch)

    def run(self, shock: BondShock) -> Cascade:
        """Cut the seeds, then those whom the cycle takes, then round by round those whom the cuts of others take."""
        odds = self._odds(shock)
        notches = self._market.sector_notches(shock)[self._first]
        seeds = self._seeds(shock)
        notches[seeds] = np.maximum(notches[seeds], shock.seed_notches)
        can_fall = self.notch < N_LIVE - 1
        cut = (notches > 0) & can_fall
        rounds, pull = [CascadeRound(cut.copy())], np.zeros(self.n)
        for _ in range(own.MOST_ROUNDS.value):
            if shock.contagion and cut.any():
                pull = shock.contagion * self._pull(cut)
            chance = frailty_integrated(odds + pull)
            new = (self.fate >= self.calm_chance) & (self.fate < chance) & can_fall & ~cut
            if not new.any():
                break
            notches[new] = own.CONTAGION_NOTCHES.value
            cut |= new
            rounds.append(CascadeRound(new))
        if shock.contagion:
            notches = np.maximum(notches, self._ceiling(notches))
            if (late := (notches > 0) & can_fall & ~cut).any():
                rounds.append(CascadeRound(late))
        notches = np.minimum(notches, N_LIVE - 1 - self.notch)
        counted = [k for k, each in enumerate(rounds) if each.cut.sum() >= own.SETTLED_SHARE.value * self.n]
        # Cut or not, nobody becomes safer by a cut: the chance is the larger of both ratings'.
        chance = np.maximum(
            self._default_chance(odds + pull, self.notch), self._default_chance(odds + pull, self.notch + notches)
        )
        return Cascade(notches, tuple(rounds), counted[-1] if counted else 0, chance, self._radius(odds, shock))

    def _seeds(self, shock: BondShock) -> IntArray:
        n_seeds = int(np.ceil(shock.seed_share * self.n - 1e-9)) if shock.seed_notches else 0
        weakest: IntArray = np.argsort(-self.calm_chance, kind="stable")[:n_seeds]
        return weakest

    def _odds(self, shock: BondShock) -> FloatArray:
        """Return the log-odds of a downgrade under a shock, without frailty."""
        numbers, first, codes = self._market.portfolio.numbers, self._first, self._market.portfolio.codes
        zeros = np.zeros(self.n)
        reviews = Reviews(
            z_leverage=self._market.z_leverage(shock)[first],
            z_coverage=self._market.z_coverage(shock)[first],
            z_esg=zeros,
            sentiment=numbers["news_sentiment"][first],
            debt_due=numbers["debt_due_12m"][first],
            outlook=codes["outlook"][first],
            gap=numbers["market_implied_gap"][first],
            u_issuer_year=zeros,
        )
        cycle = numbers["credit_cycle"][first] + shock.cycle
        recent = numbers["recent_downgrade"][first] > 0
        level = levels(BondSettings().n_years).downgrade[self.notch]
        odds: FloatArray = level + downgrade_odds(reviews, self.notch, self.sector, recent, cycle)
        return odds

    def _default_chance(self, odds: FloatArray, notch: IntArray) -> FloatArray:
        at = np.minimum(notch, N_LIVE - 1)
        level = levels(BondSettings().n_years).downgrade
        moved = odds + level[at] - level[self.notch]
        chance: FloatArray = frailty_integrated(moved) * (DEFAULT_RATE / down_probability())[at]
        return chance

    def _pull(self, cut: BoolArray) -> FloatArray:
        """Return what the cuts so far add to every issuer's log-odds."""
        law = own.CONTAGION.value
        sovereigns = self._sovereigns
        fallen = sovereigns[cut[sovereigns]]
        hit = np.isin(self._country, self._country[fallen])
        pull: FloatArray = (
            law["sector"] * self._share(cut, self.sector, len(SECTOR_NAMES))
            + law["region"] * self._share(cut, self.region, len(REGION_NAMES))
            + law["sovereign"] * (hit & (self.sector != _SOVEREIGN))
        )
        return pull

    @staticmethod
    def _share(cut: BoolArray, group: IntArray, n_groups: int) -> FloatArray:
        size = np.bincount(group, minlength=n_groups)
        share: FloatArray = (np.bincount(group, weights=cut, minlength=n_groups) / np.maximum(size, 1))[group]
        return share

    def _ceiling(self, notches: IntArray) -> IntArray:
        """Return how far the ceiling of a cut sovereign cuts its country's issuers: never further than itself."""
        cut = np.zeros(self.n, dtype=np.int64)
        sovereigns = self._sovereigns
        fallen = sovereigns[notches[sovereigns] > 0]
        for sovereign in fallen.tolist():
            ceiling = self.notch[sovereign] + notches[sovereign] - own.SOVEREIGN_CEILING.value
            here = (self._country == self._country[sovereign]) & (self.sector != _SOVEREIGN)
            needed = np.clip(ceiling - self.notch, 0, notches[sovereign])
            cut = np.where(here, np.maximum(cut, needed), cut)
        return cut

    def _radius(self, odds: FloatArray, shock: BondShock) -> float:
        """Return the spectral radius of the mean chances' derivatives by the shares of sectors and regions cut."""
        if not shock.contagion:
            return 0.0
        law, n_sectors = own.CONTAGION.value, len(SECTOR_NAMES)
        chance = expit(odds)
        slope = shock.contagion * chance * (1 - chance)
        member = np.zeros((self.n, n_sectors + len(REGION_NAMES)))
        rows = np.arange(self.n)
        member[rows, self.sector] = 1
        member[rows, n_sectors + self.region] = 1
        size = np.maximum(member.sum(axis=0), 1)
        weight = np.repeat((law["sector"], law["region"]), (n_sectors, len(REGION_NAMES)))
        jacobian = (member.T * slope) @ (member * weight) / size[:, None]
        return float(np.abs(np.linalg.eigvals(jacobian)).max())
