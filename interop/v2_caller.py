"""Send requests to our server with MLServer's own types and codecs, and print the decoded answers as JSON.

python interop/v2_caller.py URL MODEL ROWS
"""

import json
import sys
from urllib.request import Request, urlopen

import pandas as pd
from mlserver.codecs import NumpyCodec, PandasCodec
from mlserver.types import InferenceResponse, MetadataModelResponse, MetadataServerResponse


def main() -> None:
    """Send every kind of request in the protocol."""
    url, model, rows = sys.argv[1], sys.argv[2], pd.DataFrame(json.loads(sys.argv[3]))
    # MLServer's codec knows text only as object columns, as in pandas before 3.
    rows = rows.astype({name: object for name in rows.columns if pd.api.types.is_string_dtype(rows[name])})
    request = PandasCodec.encode_request(rows)
    request.id = "from-mlserver"
    response = InferenceResponse.model_validate(
        call(f"{url}/v2/models/{model}/infer", request.model_dump_json(exclude_none=True).encode())
    )
    metadata = MetadataModelResponse.model_validate(call(f"{url}/v2/models/{model}"))
    server = MetadataServerResponse.model_validate(call(f"{url}/v2"))
    for path in ("/v2/health/live", "/v2/health/ready", f"/v2/models/{model}/ready"):
        call(url + path)
    found = {
        "id": response.id,
        "values": NumpyCodec.decode_output(response.outputs[0]).reshape(-1).tolist(),
        "inputs": sorted(one.name for one in metadata.inputs or ()),
        "server": server.name,
    }
    print(json.dumps(found))


def call(url: str, content: bytes | None = None) -> object:
    """Send a request and decode the answer."""
    with urlopen(Request(url, content, {"content-type": "application/json"}), timeout=30) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
