"""Import of runs and models from an MLflow store, and export to one. Requires the extra `mlflow`, imported on use."""

from core.interop.mlflow_export import ExportedRun, export_run
from core.interop.mlflow_import import ImportedRun, import_run

__all__ = ["ExportedRun", "ImportedRun", "export_run", "import_run"]
