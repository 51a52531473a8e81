"""Three ways to ask for predictions, over one core: TensorFlow Serving's REST form, Open Inference V2, JSON rows."""

from core.serving.dialects.dialect import Answered, Asked, Dialect, Reader, refusal
from core.serving.dialects.json_rows import JsonRows
from core.serving.dialects.open_inference import OpenInference
from core.serving.dialects.tf_serving import TfServing

__all__ = ["Answered", "Asked", "Dialect", "JsonRows", "OpenInference", "Reader", "TfServing", "refusal"]
