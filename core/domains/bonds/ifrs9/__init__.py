"""Expected credit losses of exposures by IFRS 9: staging, probability-weighted scenarios, sensitivity, reconciliation.

`calibration.py` has the numbers with their grades, `exposures.py` reads a file, `staging.py` puts an exposure into its
stage, `losses.py` computes the loss, `report.py` adds it all up.
"""

from core.domains.bonds.ifrs9.exposures import CreditExposure, read_exposures
from core.domains.bonds.ifrs9.losses import expected_loss
from core.domains.bonds.ifrs9.report import EclReport, ecl_report
from core.domains.bonds.ifrs9.staging import CreditStage, stage_of

__all__ = ["CreditExposure", "CreditStage", "EclReport", "ecl_report", "expected_loss", "read_exposures", "stage_of"]
