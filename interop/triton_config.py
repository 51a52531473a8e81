"""Read a `config.pbtxt` with the messages that Triton publishes, and print as JSON what it says.

python interop/triton_config.py FILE
"""

import json
import sys
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton


def main() -> None:
    """Read one file; a field or a value that Triton does not know ends the program with an error."""
    config = text_format.Parse(Path(sys.argv[1]).read_text(), triton.ModelConfig())
    said = {"name": config.name, "backend": config.backend, "max_batch_size": config.max_batch_size}
    print(json.dumps({**said, "inputs": tensors(config.input), "outputs": tensors(config.output)}))


def tensors(described: Any) -> list[list[Any]]:
    """Return the name, the type and the shape of each tensor."""
    return [[each.name, triton.DataType.Name(each.data_type), list(each.dims)] for each in described]


if __name__ == "__main__":
    main()
