import msgspec
import pytest

from core.domains.bonds.checks.check_set import BOND_CHECKS
from core.domains.bonds.data import PanelSettings, generate
from core.quality import QualityReport, assess
from core.quality.report import overall_score


@pytest.mark.parametrize(
    ("n_failed", "score"), [(0, 0.98), (1, 0.882), (2, 0.7938)], ids=["no gate failed", "one", "two"]
)
def test_each_failed_gate_lowers_the_score_by_a_tenth(n_failed, score):
    dimensions = {"completeness": 0.96, "validity": 1.0}
    assert overall_score(dimensions, n_failed) == pytest.approx(score)


def test_any_failed_gate_brings_the_score_below_the_alert_threshold():
    assert overall_score(dict.fromkeys("abcde", 1.0), 1) <= 0.9


def test_a_faultless_panel_scores_one(sound):
    few_negative = sound[sound["spread_bps"] >= 0]
    report = assess(few_negative, BOND_CHECKS)
    assert report.score == pytest.approx(1, abs=0.002)
    assert report.dimensions["completeness"] == 1


def test_worse_data_scores_lower():
    scores = [
        assess(
            generate(PanelSettings(n_rows=1000, seed=1, missing_rate=rate, anomaly_share=share)).bonds, BOND_CHECKS
        ).score
        for rate, share in ((0.0, 0.0), (0.01, 0.02), (0.05, 0.1), (0.2, 0.3))
    ]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 4


def test_a_report_survives_storage(sound):
    report = assess(sound, BOND_CHECKS)
    assert msgspec.json.decode(msgspec.json.encode(report), type=QualityReport) == report
