"""Prove that `model_signing verify key` accepts a version and an evidence pack, and refuses each change of a file.

    python interop/model_signatures.py --model-signing PYTHON

`make interop` creates the environment and runs this script. Every printed line was proved in this run; the first
failure ends the script with exit code 1.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from core.actor import Actor, Origin
from core.evidence import EvidencePacks, signature_of_version
from core.evidence.signing import SIGNATURE
from core.registry import Registry
from core.state import Workspace

ANA = Actor("ana", "localhost", Origin.COMMAND_LINE)
LIMIT_SECONDS = 900.0  # against hangs alone: a machine may be busy


def main() -> None:
    """Register a version, build a pack, and let the verifier check both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model-signing", type=Path, required=True, help="Python of an environment with model-signing and pyOpenSSL"
    )
    python = parser.parse_args().model_signing.absolute()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workspace = Workspace.create(folder / "workspace", settings_text="")
        made = folder / "made"
        for file in ("weights/z.txt", "weights-b.txt", "weights.txt", "größe.txt", ".gitignore"):
            (made / file).parent.mkdir(parents=True, exist_ok=True)
            (made / file).write_text(f"{file}\n")
        version = Registry(workspace).register("pricing", made, metrics={}, lineage={}, gates=(), actor=ANA)
        signature = folder / "pricing.sig"
        signature.write_bytes(signature_of_version(workspace, "pricing", version.version))
        public = workspace.keys_dir / "model-signing.pub"
        prove(python, workspace.artifacts_dir / version.path, lambda _: signature, public, folder / "version")
        packs = EvidencePacks(workspace)
        pack = packs.of_version("pricing", version.version, actor=ANA)
        prove(python, packs.folder_of(pack), lambda copy: copy / SIGNATURE, public, folder / "pack")


def prove(python: Path, source: Path, signature: Callable[[Path], Path], public: Path, folder: Path) -> None:
    """Verify a folder where it lies and as a copy, then the copy with each kind of change."""
    require(verify(python, source, signature(source), public) == "", "it was refused where it lies")
    copy = folder / "copy"
    shutil.copytree(source, copy)
    subprocess.run(["chmod", "-R", "u+w", str(copy)], check=True)
    found = verify(python, copy, signature(copy), public)
    require(found == "", found)
    signed = sorted(file for file in copy.rglob("*") if file.is_file() and file.name not in (SIGNATURE, ".gitignore"))
    for file in signed:
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        require("mismatch" in verify(python, copy, signature(copy), public), f"an edited {file.name} was accepted")
        file.write_bytes(content)
    (copy / "more.txt").write_text("more\n")
    require("mismatch" in verify(python, copy, signature(copy), public), "an added file was accepted")
    (copy / "more.txt").unlink()
    signed[0].unlink()
    require("mismatch" in verify(python, copy, signature(copy), public), "a removed file was accepted")
    print(
        f"model_signing verify key accepts the {folder.name}, and refuses each of its {len(signed)} files edited, one "
        "added and one removed",
        flush=True,
    )


def verify(python: Path, folder: Path, signature: Path, public: Path) -> str:
    """Return what the verifier says against a folder; empty if it accepts it."""
    words = ["verify", "key", str(folder), "--signature", str(signature), "--public_key", str(public)]
    run = subprocess.run(
        [str(python), "-m", "model_signing", *words], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )
    said = run.stdout + run.stderr
    if run.returncode == 0:
        require("Verification succeeded" in said, said)
        return ""
    return said or f"exit code {run.returncode}"


def require(holds: bool, problem: str) -> None:
    """End the script where something does not hold."""
    if not holds:
        sys.exit(f"model signatures: {problem}")


if __name__ == "__main__":
    main()
