"""Prove that CycloneDX's own library accepts the bill of a registered version, and refuses each changed one.

    python interop/bills.py

Every printed line was proved in this run; the first failure ends the script with exit code 1. The strict validator of
cyclonedx-python-lib holds a bill to the schema of CycloneDX 1.7; the signature inside is verified by OpenSSL over the
canonical form that Python's own JSON writes.
"""

import base64
import copy
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from core.actor import Actor, Origin
from core.evidence import EvidencePacks
from core.evidence.signing import BILL
from core.quality.gate import judge
from core.registry import Registry
from core.state import Workspace

ANA = Actor("ana", "localhost", Origin.COMMAND_LINE)
LIMIT_SECONDS = 300.0
Bill = dict[str, Any]


def _component(bill: Bill) -> Bill:
    found: Bill = bill["metadata"]["component"]
    return found


BROKEN: dict[str, Callable[[Bill], object]] = {
    "an unknown field of the model card": lambda bill: _component(bill)["modelCard"].update(colour="red"),
    "an unknown field at the top": lambda bill: bill.update(colour="red"),
    "another format": lambda bill: bill.update(bomFormat="SPDX"),
    "no specification": lambda bill: bill.pop("specVersion"),
    "a hash that is none": lambda bill: _component(bill)["hashes"][0].update(content="no hash"),
    "an unknown kind of component": lambda bill: _component(bill).update(type="oracle"),
    "a component without a name": lambda bill: bill["components"][0].pop("name"),
    "a serial number that is none": lambda bill: bill.update(serialNumber="42"),
    "a metric that is no text": lambda bill: _metrics(bill)[0].update(value=0.5),
}
FORGED: dict[str, Callable[[Bill], object]] = {
    "another hash": lambda bill: _component(bill)["hashes"][0].update(content="0" * 64),
    "a better metric": lambda bill: _metrics(bill)[0].update(value="0.99"),
    "a package less": lambda bill: bill["components"].pop(),
    "another data set": lambda bill: bill["components"][0].update(name="other"),
    "another version": lambda bill: _component(bill).update(version="9.9.9"),
}


def main() -> None:
    """Register a version, and let the library and OpenSSL judge its bill."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workspace = Workspace.create(folder / "workspace", settings_text="")
        model, version = registered(workspace, folder / "made")
        out = folder / "pricing.cdx.json"
        words = ["--workspace", str(workspace.root), "registry", "bom", model, version, "--out", str(out)]
        run([sys.executable, "-m", "console.cli.main", *words])
        written = out.read_text()
        bill: Bill = json.loads(written)
        require(bill["specVersion"] == "1.7", bill["specVersion"])
        require(faults(written) is None, faults(written))
        public = workspace.keys_dir / "model-signing.pub"
        require(is_signed(bill, public, folder), "OpenSSL refused the signature")
        packs = EvidencePacks(workspace)
        pack = packs.folder_of(packs.of_version(model, version, actor=ANA)) / BILL
        require(pack.read_text() == written, "the bill of the pack is another one")
        validator = f"cyclonedx-python-lib {version_of('cyclonedx-python-lib')}"
        proved(f"{validator} accepts the bill of a version strictly as CycloneDX 1.7, and OpenSSL its signature")
        for what, change in BROKEN.items():
            require(faults(json.dumps(changed(bill, change))) is not None, f"{what} was accepted")
        proved(f"{validator} refuses {len(BROKEN)} changed bills: {', '.join(BROKEN)}")
        for what, change in FORGED.items():
            forged = changed(bill, change)
            require(faults(json.dumps(forged)) is None, f"{what} is no valid bill, so it proves nothing")
            require(not is_signed(forged, public, folder), f"{what} was accepted")
        proved(f"OpenSSL refuses {len(FORGED)} bills that hold to the schema: {', '.join(FORGED)}")


def registered(workspace: Workspace, made: Path) -> tuple[str, str]:
    """Register a version with a signature, packages, data, metrics and a gate."""
    made.mkdir()
    (made / "weights.txt").write_text("1 2 3\n")
    inputs = [{"name": "size", "type": "number"}]
    outputs = [{"name": "price", "type": "number"}]
    signature = {"task": "regression", "target": "price", "inputs": inputs, "outputs": outputs}
    (made / "signature.json").write_text(json.dumps(signature))
    packages = {"msgspec": version_of("msgspec"), "numpy": version_of("numpy")}
    (made / "environment.json").write_text(json.dumps({"python": "3.11.7", "packages": packages}))
    found = Registry(workspace).register(
        "pricing",
        made,
        metrics={"r2": 0.5, "r2_low": 0.4, "r2_high": 0.6},
        lineage={"data": {"panel": {"sha256": "ab" * 32, "n_rows": 1200}}, "chosen": "linear", "random_seed": 42},
        gates=(judge("coverage", 99.0, ">=", 90.0, unit="%", n_samples=9, window="cells of the file"),),
        actor=ANA,
    )
    return found.model, found.version


def _metrics(bill: Bill) -> list[Bill]:
    found: list[Bill] = _component(bill)["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    return found


def changed(bill: Bill, change: Callable[[Bill], object]) -> Bill:
    """Return a bill with a change."""
    found = copy.deepcopy(bill)
    change(found)
    return found


def faults(text: str) -> object:
    """Return what the validator finds against a bill; None if it accepts it."""
    return JsonStrictValidator(SchemaVersion.V1_7).validate_str(text)


def is_signed(bill: Bill, public: Path, folder: Path) -> bool:
    """Verify the signature inside a bill with OpenSSL."""
    bill = copy.deepcopy(bill)
    value = bill["signature"].pop("value")
    raw = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    (folder / "canonical").write_text(json.dumps(bill, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
    (folder / "der").write_bytes(encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:])))
    words = ["openssl", "dgst", "-sha256", "-verify", str(public), "-signature", str(folder / "der")]
    done = subprocess.run([*words, str(folder / "canonical")], check=False, capture_output=True, timeout=LIMIT_SECONDS)
    return done.returncode == 0


def run(words: list[str]) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    require(done.returncode == 0, done.stdout + done.stderr)


def proved(what: str) -> None:
    """Print a proved statement."""
    print(f"proved: {what}", flush=True)


def require(holds: object, problem: object) -> None:
    """End the script where something does not hold."""
    if not holds:
        sys.exit(f"bills: {problem}")


if __name__ == "__main__":
    main()
