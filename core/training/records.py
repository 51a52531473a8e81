"""The child's measurements as plain records: of one epoch, and of the end of a session.

They hold no clock, host or identifier, so that two runs of the same settings write the same bytes.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from core.domains.report_section import ReportSection
from core.quality.gate import GateResult
from core.training.epoch_slices import SliceTable
from core.training.scores import EpochScore
from core.training.text_training import TextEpoch
from core.training.tuning.records import SelectionRecord, TuningRecord


class DrawRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One draw of the data set: its size, its seed, and the hash of its content."""

    purpose: str  # draw, validation, test…
    seed: int
    n_rows: int
    n_groups: int = msgspec.field(name="n_issuers")  # the spelling in all checkpoints and reports
    sha256: str
    stressed: dict[str, int] = {}  # the rows drawn under each scenario and severity, "rates_up/severe"


class EpochRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch.

    Attributes:
        learned: False when the draw failed a blocking gate: then `refusal` names the gates, and the models, the
            metrics and the score are those of the epoch before.
        metrics: `<model>.<metric>` on the session's validation panel, whose groups are never trained on.
        unmeasured: The metrics without a value on that panel: NaN or infinite, as a loss is that has diverged.
        learned_gates: The verdicts on the newest draw that was trained on; `gates` are those on this epoch's own draw.
        holdout: The same on the part of this epoch's draw that was held out before training on the rest.
        slices: The scores of each model by slice of the validation panel, such as "sector=banks".
        text: Of a model of language: its step, and what it writes. Its epoch ends with an evaluation.
    """

    epoch: int
    learned: bool
    refusal: str = ""
    draw: DrawRecord
    n_learned_rows: int
    n_holdout_rows: int
    gates: tuple[GateResult, ...]
    learned_gates: tuple[GateResult, ...] = ()
    quality_score: float
    score: float | None
    metrics: dict[str, float]
    unmeasured: tuple[str, ...] = ()
    holdout: dict[str, float]
    slices: dict[str, SliceTable] = {}
    text: TextEpoch | None = None

    @property
    def as_score(self) -> EpochScore:
        """The input of the convergence check; a skipped epoch has no score of its own."""
        return EpochScore(self.score if self.learned else None, self.quality_score)


def refusal_of(gates: Iterable[GateResult]) -> str:
    """Say which gates refuse a draw, and why; empty if none does."""
    return "; ".join(f"{gate.name}: {gate.reason}" for gate in gates if gate.blocks)


class MemberRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A member of an ensemble.

    Attributes:
        member: Its algorithm.
        weight: In the mean, or the slope of a linear meta-learner; None where the combination has no weights.
        share: Of the answer; the shares of the members sum to 1.
        loss: Its mean loss alone on the panel of the comparison.
    """

    member: str
    weight: float | None
    share: float
    loss: float | None = None


class EnsembleRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison of a model's best ensemble with its best single model.

    Attributes:
        model: The model.
        strategy: Of the ensemble.
        single: The single model.
        single_loss: Its mean loss on the panel of the comparison.
        improvement: That loss less the ensemble's; below 0 where the ensemble is worse.
        low: Lower end of its 95 % interval over groups; None where nothing can be shown.
        high: Upper end.
        n_rows: Rows compared.
        n_groups: Their groups.
        ships: Whether the ensemble ships.
        why: The verdict in a sentence.
        members: Of the ensemble.
        validation: Mean losses on the validation panel, which chose the ensemble and the single model, by candidate.
        own: The session's own model, which ships where the ensemble does not; it need not be `single`.
    """

    model: str
    strategy: str
    single: str
    single_loss: float
    improvement: float
    low: float | None
    high: float | None
    n_rows: int
    n_groups: int
    ships: bool
    why: str
    members: tuple[MemberRecord, ...]
    validation: dict[str, float]
    own: str = ""


class FinalModel(msgspec.Struct, frozen=True, kw_only=True):
    """One shipped model of the session.

    Attributes:
        folder: Where its files are, relative to the session's folder.
        files: SHA-256 of each file, by its path inside `folder`.
        chosen: The candidate that answers, as the model describes it.
        way: "continued" from the best checkpoint, "refit" from many draws at once, or "ensemble".
        metrics: On the test panels, `<panel>.<metric>`; `validation.<way>` decided the way.
        slices: Scores by slice of the first test panel, such as "sector=banks".
        report: The model's own report: which candidates were tried, and which ships.
    """

    name: str
    folder: str
    files: dict[str, str]
    chosen: str
    way: str
    metrics: dict[str, float]
    importance: dict[str, float]
    slices: dict[str, dict[str, float]] = {}
    report: dict[str, Any]


class SessionModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the registry is told of a model that a session's epochs have made.

    Attributes:
        metrics: Those of the main test panel bare, those of other panels with a prefix.
        lineage: Where it comes from.
        gates: The verdicts on its data, and on itself.
        description: One line for people.
    """

    metrics: dict[str, float]
    lineage: dict[str, Any]
    gates: tuple[GateResult, ...]
    description: str


class FinalRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a session: the models that ship, and their one test.

    Attributes:
        columns: Of its data, and those that its models made of them; these alone can be denied in its report.
    """

    epoch: int
    best_epoch: int
    score: float
    draws: tuple[DrawRecord, ...]
    models: tuple[FinalModel, ...]
    sections: tuple[ReportSection, ...] = ()  # of the search of parameters, the ensembles, and the domain's own
    ensembles: tuple[EnsembleRecord, ...] = ()
    tuning: tuple[TuningRecord, ...] = ()
    selections: tuple[SelectionRecord, ...] = ()
    columns: tuple[str, ...] = ()
