"""A workspace in which each kind of record has something: sessions, versions, rollouts, alerts, moves."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.actor import Actor, Origin
from core.evidence import EvidencePacks, KeptPack
from core.quality.gate import judge
from core.registry import Registry
from core.settings.promotion import PromotionSettings
from core.state import Workspace
from tools.demo import make_demo

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
REPORT = {
    "model": "spread",
    "algorithm": "auto",
    "ships": "linear",
    "why": "no other candidate is better by more than a standard error",
    "candidates": [{"candidate": "linear", "loss": 0.2898, "behind_leader": 0.0, "standard_error": 0.0}],
    "feature_importance": {"rating": 0.61, "sector": 0.39},
    "slices": {
        "sector=banks": {"n_rows": 550.0, "roc_auc_score": 0.79},
        "sector=energy": {"n_rows": 274.0, "roc_auc_score": 0.85},
    },
    "data_profile": {"esg_score": {"mean": 56.1, "missing": 0.12}},
}


EXPLANATION = {
    "n_rows": 200,
    "algorithm": "exact TreeSHAP",
    "sum_error": 1e-12,
    "features": [
        {
            "feature": "rating",
            "importance": 0.4,
            "low": 0.35,
            "high": 0.44,
            "share": 0.61,
            "best_rank": 1,
            "worst_rank": 1,
        }
    ],
    "groups": [{"features": ["rating", "rating_num"], "association": 0.98, "importance": 0.5}],
    "surrogate": {"fidelity": 0.83, "rules": [], "disagrees": ""},
}


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _without_pdf(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only tests of the PDF make one: each takes a second or more."""
    if not request.module.__name__.endswith("test_pdf"):
        monkeypatch.setattr("core.evidence.packs.has_pdf_extra", lambda: False)


@pytest.fixture
def demo(tmp_path: Path) -> Workspace:
    return make_demo(tmp_path / "ws", now=NOON, n_versions=3, with_telemetry=False)


@pytest.fixture
def described(demo: Workspace, tmp_path: Path) -> str:
    """A version of spread with a report, hostile words and an owner; its number."""
    return describe(demo, tmp_path / "trained")


def describe(demo: Workspace, source: Path) -> str:
    """Register such a version, with its files in a new folder."""
    source.mkdir()
    (source / "model.txt").write_text("tree\n")
    (source / "report.json").write_text(json.dumps(REPORT))
    (source / "environment.json").write_text(json.dumps({"python": "3.11.7", "packages": {"numpy": "2.4.6"}}))
    (source / "explanation.json").write_text(json.dumps({"format": 1, "report": EXPLANATION}))
    conformal = {"format": 1, "n_rows": 500, "n_groups": 60, "is_grouped": True, "radii": [n / 100 for n in range(100)]}
    (source / "conformal.json").write_text(json.dumps(conformal))
    registry = Registry(demo, promotion=PromotionSettings())
    version = registry.register(
        "spread",
        source,
        metrics={
            "attainment": 0.91,
            "attainment_low": 0.9,
            "attainment_high": 0.92,
            "log_loss": 0.28,
            "test_new_macro.attainment": 0.9,
        },
        lineage={"data": {"train": {"n_rows": 1200, "seed": 42, "sha256": "ab12" * 16}}, "random_seed": 42},
        gates=(judge("coverage", 99.0, ">=", 90.0, unit="%"),),
        description="<script>alert(1)</script> & refit",
        actor=ANA,
    )
    registry.set_tags("spread", version.version, {"owner": "credit desk"}, actor=ANA)
    registry.apply(registry.plan_promotion("spread", version.version), actor=ANA, reason="better")
    return version.version


@pytest.fixture
def packs(demo: Workspace) -> EvidencePacks:
    return EvidencePacks(demo)


@pytest.fixture
def built(packs: EvidencePacks, described: str) -> KeptPack:
    return packs.of_version("spread", described, actor=ANA, reason="annual review")


@pytest.fixture
def key(demo: Workspace) -> Path:
    return demo.keys_dir / "audit-signing.pub"
