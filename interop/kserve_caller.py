"""Ask our server with KServe's own client, in V2 and in V1, and print the answers as JSON.

python interop/kserve_caller.py URL MODEL ROWS
"""

import asyncio
import json
import sys
from typing import Any

from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

TYPES = {"area": "INT64", "floor": "INT64", "age": "BYTES"}


async def main() -> None:
    """Send every kind of request."""
    url, model, rows = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    v2 = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await v2.is_server_live(url)
    assert await v2.is_server_ready(url)
    assert await v2.is_model_ready(url, model)
    found: dict[str, Any] = {}
    for form in ("json", "bytes"):
        answer = await v2.infer(url, request_of(rows, model, is_binary=form == "bytes"), model_name=model)
        found[form] = [float(value) for value in answer.outputs[0].as_numpy().reshape(-1)]
        found["id"] = answer.id
    v1 = InferenceRESTClient(RESTConfig(protocol="v1"))
    assert await v1.is_model_ready(url, model)
    named = await v1.infer(url, {"instances": rows}, model_name=model)
    listed = await v1.infer(url, {"instances": [[row[name] for name in TYPES] for row in rows]}, model_name=model)
    found |= {"v1 by name": named["predictions"], "v1 by position": listed["predictions"]}
    print(json.dumps(found))


def request_of(rows: list[dict[str, Any]], model: str, *, is_binary: bool) -> InferRequest:
    """Make a request of V2."""
    import numpy as np

    inputs = []
    for name, datatype in TYPES.items():
        kind = np.object_ if datatype == "BYTES" else np.int64
        tensor = InferInput(name, [len(rows)], datatype)
        tensor.set_data_from_numpy(np.array([row[name] for row in rows], dtype=kind), binary_data=is_binary)
        inputs.append(tensor)
    return InferRequest(model, inputs, request_id="from-kserve")


if __name__ == "__main__":
    asyncio.run(main())
