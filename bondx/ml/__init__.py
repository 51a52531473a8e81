"""Models and data of the domains, for Python programs.

    from bondx.ml import ETRMModelClient, TensorFlowServingClient

    ETRMModelClient(TensorFlowServingClient()).predict_risk_score({"volume": 1000.0, "price": 75.5, "volatility": 0.25})

    from bondx.ml import ETRMDataConfig, SyntheticETRMDataGenerator

    data = SyntheticETRMDataGenerator(ETRMDataConfig(num_trades=5000)).generate_complete_dataset()

    from bondx.ml import ModelMonitoringService

    service = ModelMonitoringService()
    service.register_model("risk_model", reference)
    for alert in service.detect_drift("risk_model", new_data):
        print(alert.message)

    from bondx.ml import explain

    for part in explain("spread", row=0).report.contributions:
        print(part.feature, part.contribution)

    from bondx.ml import ContinuousLearningPipeline, RetrainingConfig

    pipeline = ContinuousLearningPipeline()
    pipeline.register_model_for_retraining(RetrainingConfig(model_name="risk_model", min_samples_threshold=2000))
    asyncio.run(pipeline.run_continuous_learning_loop())

    from bondx.ml import stress

    print(stress("book.csv", scenarios=["rate_shock"]).worst.key)

    from bondx.ml import anonymise

    print(anonymise("customers.csv", "leaves.csv", quasi=["age", "town"], key_file="key").anonymity)

Importing this package loads nothing heavy.
"""

from typing import TYPE_CHECKING, Any

from bondx.own_packages import offered

if TYPE_CHECKING:
    from bondx.ml.anonymising import anonymise
    from bondx.ml.explanations import explain, explain_function, explain_over
    from bondx.ml.learning import ContinuousLearningPipeline, RetrainingConfig
    from bondx.ml.monitoring import ModelMonitoringService
    from bondx.ml.sealing import unseal
    from bondx.ml.stress_tests import reverse_stress, stress
    from core.client.tf_serving import TensorFlowServingClient
    from core.domains.etrm.client import ETRMModelClient
    from core.domains.etrm.compliance.file_check import check_trades_file
    from core.domains.etrm.compliance.regime import CheckSettings
    from core.domains.etrm.compliance.table import compliance_table
    from core.domains.etrm.data.dataset import SyntheticETRMDataGenerator
    from core.domains.etrm.data.settings import ETRMDataConfig
    from core.monitoring.profile_check import DriftAlert, DriftType

__all__ = [
    "CheckSettings",
    "ContinuousLearningPipeline",
    "DriftAlert",
    "DriftType",
    "ETRMDataConfig",
    "ETRMModelClient",
    "ModelMonitoringService",
    "RetrainingConfig",
    "SyntheticETRMDataGenerator",
    "TensorFlowServingClient",
    "anonymise",
    "check_trades_file",
    "compliance_table",
    "explain",
    "explain_function",
    "explain_over",
    "reverse_stress",
    "stress",
    "unseal",
]

_HOMES = {
    "CheckSettings": "core.domains.etrm.compliance.regime",
    "ContinuousLearningPipeline": "bondx.ml.learning",
    "DriftAlert": "core.monitoring.profile_check",
    "DriftType": "core.monitoring.profile_check",
    "ETRMDataConfig": "core.domains.etrm.data.settings",
    "ETRMModelClient": "core.domains.etrm.client",
    "ModelMonitoringService": "bondx.ml.monitoring",
    "RetrainingConfig": "bondx.ml.learning",
    "SyntheticETRMDataGenerator": "core.domains.etrm.data.dataset",
    "TensorFlowServingClient": "core.client.tf_serving",
    "anonymise": "bondx.ml.anonymising",
    "check_trades_file": "core.domains.etrm.compliance.file_check",
    "compliance_table": "core.domains.etrm.compliance.table",
    "explain": "bondx.ml.explanations",
    "explain_function": "bondx.ml.explanations",
    "explain_over": "bondx.ml.explanations",
    "reverse_stress": "bondx.ml.stress_tests",
    "stress": "bondx.ml.stress_tests",
    "unseal": "bondx.ml.sealing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return offered(_HOMES[name], name)


def __dir__() -> list[str]:
    """List the names, so that a notebook completes them although nothing is loaded yet."""
    return sorted({*globals(), *__all__})
