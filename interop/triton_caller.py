"""Ask servers with Triton's client over HTTP, in JSON and, where spoken, in its default form of bytes.

Prints the answers as JSON.

python interop/triton_caller.py ROWS MODEL URL…     the same questions to each server
"""

import json
import sys
from typing import Any

import numpy as np
import pandas as pd
import tritonclient.http as triton

TYPES = {"area": (np.int64, "INT64"), "floor": (np.int64, "INT64"), "age": (np.object_, "BYTES")}
OUTPUT = "prediction"


def main() -> None:
    """Ask every server."""
    rows, model, *urls = sys.argv[1:]
    print(json.dumps([asked(url.removeprefix("http://"), model, pd.DataFrame(json.loads(rows))) for url in urls]))


def asked(url: str, model: str, rows: pd.DataFrame) -> dict[str, Any]:
    """Ask one server."""
    client = triton.InferenceServerClient(url)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(model)
    described = client.get_model_metadata(model)
    extensions = client.get_server_metadata().get("extensions", [])
    single = [rows.iloc[[number]] for number in range(len(rows))]
    answers = {}
    for form in ("json", "bytes") if "binary_tensor_data" in extensions else ("json",):
        is_binary = form == "bytes"
        answers[form] = numbers(infer(client, model, rows, is_binary=is_binary))
        one_by_one = [numbers(infer(client, model, row, is_binary=is_binary)) for row in single]
        answers[f"{form}, one by one"] = [value for (value,) in one_by_one]
    named = infer(client, model, rows, is_binary=False, request_id="from-triton", headers={"x-request-id": "proxy"})
    return {
        "answers": answers,
        "id": named.get_response()["id"],
        "shape": named.get_output(OUTPUT)["shape"],
        "datatype": named.get_output(OUTPUT)["datatype"],
        "inputs": sorted(one["name"] for one in described["inputs"]),
        "extensions": extensions,
        "repository": client.get_model_repository_index() if "model_repository" in extensions else [],
        "refused": refusals(client, model, rows),
    }


def infer(
    client: triton.InferenceServerClient, model: str, rows: pd.DataFrame, *, is_binary: bool, **more: Any
) -> triton.InferResult:
    """Send a request, and ask for the answer in the same form."""
    inputs = []
    for name, (kind, datatype) in TYPES.items():
        tensor = triton.InferInput(name, [len(rows)], datatype)
        tensor.set_data_from_numpy(rows[name].to_numpy(dtype=kind), binary_data=is_binary)
        inputs.append(tensor)
    outputs = [triton.InferRequestedOutput(OUTPUT, binary_data=is_binary)]
    return client.infer(model, inputs, outputs=outputs, **more)


def numbers(result: triton.InferResult) -> list[float]:
    """Return the numbers of an answer."""
    return [float(value) for value in result.as_numpy(OUTPUT).reshape(-1)]


def refusals(client: triton.InferenceServerClient, model: str, rows: pd.DataFrame) -> list[str]:
    """Return what the server says to requests that no server may answer."""
    said = []
    for name, values in (("arena", [1]), ("area", [1, 2])):
        tensor = triton.InferInput(name, [len(values)], "INT64")
        tensor.set_data_from_numpy(np.array(values))
        try:
            client.infer(model, [tensor])
        except triton.InferenceServerException as error:
            said.append(str(error))
    return said


if __name__ == "__main__":
    main()
