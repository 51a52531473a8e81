"""Serves one of our versions with MLServer, inside MLServer's process."""

from pathlib import Path

from mlserver import MLModel
from mlserver.codecs import NumpyCodec, PandasCodec
from mlserver.types import InferenceRequest, InferenceResponse

from core.domains.catalogue import load_model


class BondxRuntime(MLModel):
    """Answers through `Model.predict`."""

    async def load(self) -> bool:
        """Load the version's files."""
        self._model = load_model(Path(self.settings.parameters.uri))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request."""
        values = self._model.predict(PandasCodec.decode_request(payload))
        return InferenceResponse(
            id=payload.id,
            model_name=self.name,
            model_version=self.version,
            outputs=[NumpyCodec.encode_output("prediction", values)],
        )
