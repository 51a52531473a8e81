"""Ask a running `bondx serve` for rents: python examples/client.py [URL]. A token is read from $BONDX_TOKEN.

The server answers from a model `rent` in Production. In the workspace of the server:

    bondx-mlops train --model rent --data examples/rents.csv --target rent
    bondx-mlops promote --model rent --version 1.0.0 --stage staging
    bondx-mlops promote --model rent --version 1.0.0 --stage production --yes
    bondx serve
"""

import os
import sys

from bondx import Client, CoreError

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8501"
try:
    with Client(url, token=os.environ.get("BONDX_TOKEN")) as client:
        health = client.health()
        print(f"live: {health.live}, ready: {health.ready}")
        if not health.ready:
            sys.exit(f"{url} cannot answer: {'; '.join(health.reasons)}")
        answer = client.predict("rent", {"area": 50, "floor": 2, "age": "old"})
        print(f"rent {answer.version}: {answer.value:.2f}, request {answer.request_id}")
        batch = client.predict("rent", [{"area": 50, "floor": 2, "age": "old"}, {"area": 90, "floor": 0, "age": "new"}])
        print(f"{len(batch.values)} rows: {', '.join(f'{value:.2f}' for value in batch.values)}")
except CoreError as error:  # the server has no such model, refuses the token, or does not answer
    sys.exit(f"client: {error}")
