"""Hold an `InferenceService` to KServe's own types, and print as JSON which of its fields they do not know.

python interop/kserve_service.py FILE
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kserve
import yaml


def main() -> None:
    """Read one file."""
    service = yaml.safe_load(Path(sys.argv[1]).read_text())
    found = list(fields(service, kserve.V1beta1InferenceService, ""))
    unknown = [name for name, is_known in found if not is_known]
    print(json.dumps({"unknown": unknown, "n_known": len(found) - len(unknown)}))


def fields(value: Any, kind: Any, place: str) -> Iterator[tuple[str, bool]]:
    """Yield every field of KServe's types, and whether the type has it."""
    own = {spelled: name for name, spelled in kind.attribute_map.items()}
    for key, inner in value.items():
        if key not in own:
            yield f"{place}{key}", False
            continue
        inner_kind = getattr(kserve, kind.openapi_types[own[key]], None)
        if isinstance(inner, dict) and hasattr(inner_kind, "attribute_map"):
            yield from fields(inner, inner_kind, f"{place}{key}.")
        else:
            yield f"{place}{key}", True


if __name__ == "__main__":
    main()
