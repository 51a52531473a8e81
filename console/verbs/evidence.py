"""Build a pack of evidence about the version under the cursor."""

from typing import Any

from console.presentation.offer import Offer
from console.verbs.offer import OfferContext
from console.verbs.verb import Change, Command
from console.verbs.version import VERSION, VersionName
from widgets.line import Line, section


class BuildEvidence(Change[VersionName]):
    """Gather what is recorded about a version, prove it, and sign it."""

    name = "evidence"
    noun = VERSION
    command = Command("build a pack of evidence about a version, for auditors")

    def offer(self, context: OfferContext, thing: VersionName, *options: Any) -> Offer:
        """Offer it, with the packs of the version that exist.

        Raises:
            NotFoundError: There is no such version.
        """
        from core.evidence import EvidencePacks, has_pdf_extra
        from core.registry import Registry

        version = Registry(context.workspace).get(*thing)
        name = f"{version.model} {version.version}"
        packs = EvidencePacks(context.workspace)
        earlier = [pack for pack in packs.all() if pack.subject == version.key]

        def commit(reason: str) -> str:
            pack = packs.of_version(version.model, version.version, actor=context.actor, reason=reason)
            kinds = " and ".join(file.suffix[1:].upper() for file in packs.files_of(pack))
            return f"Built {pack.pack_id} on {name} ({kinds}): {pack.n_missing} missing, {packs.folder_of(pack)}"

        with_pdf = (
            "It is written as HTML, JSON and PDF/A."
            if has_pdf_extra()
            else "It is written as HTML and JSON. A PDF needs the extra pdf, which is not installed."
        )

        return Offer(
            title=f"Build evidence on {name}",
            lines=(
                Line(
                    ((f"{name}  ", "strong"), (f"{version.stage}, registered {version.created_at:%Y-%m-%d}", "muted"))
                ),
                *section(
                    "Earlier packs", [f"{pack.pack_id}, {pack.built_at:%Y-%m-%d %H:%M} UTC." for pack in earlier[:3]]
                ),
                *section(
                    "What will happen",
                    (
                        "The audit log is verified; then what is recorded is gathered, proved and signed.",
                        with_pdf,
                        "The pack is kept below reports/evidence/, and the audit log records it.",
                    ),
                ),
                *section("How to check it", ("bondx evidence verify FOLDER --key PUB, on any machine.",)),
            ),
            confirm="Build",
            doing=f"Building evidence on {name}",
            commit=commit,
        )


BUILD_EVIDENCE = BuildEvidence()
