"""The models that a run of MLflow has logged."""

from pathlib import Path
from typing import Any

from core.files import new_folder


def download(client: Any, theirs: Any, place: Path) -> tuple[Path | None, tuple[str, ...]]:
    """Fetch the newest model that a run has logged, or None; and name the run's other models.

    `models:/` and `runs:/` addresses are left aside: MLflow looks them up in the store of a global setting, whatever
    store it is told, and makes a database in the current folder if there is no such setting.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    outputs = getattr(theirs, "outputs", None)  # since MLflow 3 a model is no longer an artifact of its run
    if outputs is not None and outputs.model_outputs:
        models = [client.get_logged_model(output.model_id) for output in outputs.model_outputs]
        newest = max(models, key=lambda model: model.creation_timestamp)
        others = tuple(f"{model.name} ({model.model_id})" for model in models if model is not newest)
        address, folder = newest.artifact_location, ""
    else:
        found = _logged_folders(client, theirs.info.run_id)
        if not found:
            return None, ()
        *others_found, folder = found
        address, others = theirs.info.artifact_uri, tuple(others_found)
    new_folder(place)
    uri = client.tracking_uri
    files = get_artifact_repository(address, tracking_uri=uri, registry_uri=uri)
    return Path(files.download_artifacts(folder, dst_path=str(place))), others


def _logged_folders(client: Any, run_id: str) -> list[str]:
    """Return the folders of a run that hold a model, as MLflow 2 logs it, by name."""
    folders = [entry.path for entry in client.list_artifacts(run_id) if entry.is_dir]
    return [
        folder
        for folder in folders
        if any(entry.path.endswith("/MLmodel") for entry in client.list_artifacts(run_id, folder))
    ]
