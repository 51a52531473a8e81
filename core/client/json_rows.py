"""The native dialect: rows as JSON objects, and outcomes by request id."""

from collections.abc import Sequence
from typing import Any

import msgspec
from typing_extensions import override

from core.client.answers import Health, Outcome, Prediction, Reported, VersionState, Which
from core.client.errors import NotSpokenError
from core.client.open_inference import OpenInferenceClient
from core.client.rows import RequestRows, to_json
from core.client.tf_rest import model_path, request_headers, require_one_a_row, version_states


class _Predicted(msgspec.Struct):
    model: str
    version: str
    request_id: str
    predictions: list[Any]
    classes: tuple[str, ...] = ()


class JsonRowsClient(OpenInferenceClient):
    """Rows as JSON objects. Operations that the dialect lacks use V2, which our server also supports."""

    name = "rows"

    @override
    def predict(self, which: Which, rows: RequestRows, request_id: str, key: str | None, deadline: float) -> Prediction:
        if rows.records is None:
            raise NotSpokenError("The dialect `rows` needs field names: send mappings, or send the matrix in `v2`.")
        answer = self._http.ask(
            "POST",
            model_path(which, "/api/v1/predict/"),
            deadline,
            content=to_json({"rows": rows.records}, rows),
            headers=request_headers(request_id, key),
        )
        found = self._http.read(answer, _Predicted)
        require_one_a_row(self._http.url, len(found.predictions), rows)
        return Prediction(
            model=found.model,
            values=found.predictions,
            version=found.version,
            request_id=found.request_id,
            classes=found.classes,
        )

    @override
    def versions(self, which: Which, deadline: float) -> list[VersionState]:
        return version_states(self._http, which, deadline)

    @override
    def health(self, which: Which | None, deadline: float) -> Health:
        return self._health("/ready", deadline) if which is None else super().health(which, deadline)

    @override
    def report(self, outcomes: Sequence[Outcome], deadline: float) -> Reported:
        content = msgspec.json.encode({"outcomes": outcomes})
        answer = self._http.ask("POST", "/api/v1/outcomes", deadline, content=content)
        return self._http.read(answer, Reported)
