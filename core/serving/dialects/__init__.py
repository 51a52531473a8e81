"""The predict dialects over one core: JSON rows, TensorFlow Serving's REST form, Open Inference V2, MLflow's form.

dialect.py  the interface of a dialect; schemas.py has the parts of its OpenAPI description
Each other module is one dialect. A new one is a module and an entry in `DIALECTS`: routes, OpenAPI document and metrics
follow that list.
"""

from core.serving.dialects.dialect import Answered, Dialect, Reader, ReadRequest, refusal
from core.serving.dialects.json_rows import JsonRows
from core.serving.dialects.mlflow import Mlflow
from core.serving.dialects.open_inference import OpenInference
from core.serving.dialects.tf_serving import TfServing

__all__ = [
    "DIALECTS",
    "Answered",
    "Dialect",
    "JsonRows",
    "Mlflow",
    "OpenInference",
    "ReadRequest",
    "Reader",
    "TfServing",
    "refusal",
]

DIALECTS: tuple[Dialect, ...] = (JsonRows(), TfServing(), OpenInference(), Mlflow())
