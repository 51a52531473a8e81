"""The profile of a version: that of its artifact, else the one that was made later. Every reader finds it here."""

from core.monitoring.data_profile import DataProfile, NoProfileError, ProfileError
from core.registry.language_models import is_language_model
from core.registry.made_profiles import DamagedProfileError, ProfileFile
from core.registry.registry_reader import RegistryReader


def profile_of_version(registry: RegistryReader, model: str, version: str) -> DataProfile:
    """Read what a version learned from.

    Args:
        registry: Where it is registered.
        model: Its model.
        version: Its number.
    Raises:
        NotFoundError: There is no such version.
        ProfileError: It has no profile, or none that can be read; the message says how one is made.
        ChangedFileError: The files of its artifact differ from the registered files.
    """
    return profile_and_file(registry, model, version)[0]


def profile_and_file(registry: RegistryReader, model: str, version: str) -> tuple[DataProfile, ProfileFile]:
    """Read what a version learned from, and say where that lies; raises as `profile_of_version`."""
    place, command = f"{model} {version}", f"bondx drift profile {model} --version {version} --data FILE"
    file = profile_file(registry, model, version)
    if file is None and is_language_model(registry.get(model, version)):
        raise NoProfileError(
            place,
            "it is a model of language, which answers no rows",
            f"Its gates judge what it writes: bondx registry show {model} {version}",
        )
    if file is None:
        raise NoProfileError(
            place,
            "it has no profile of the data that it learned from: it was registered from a folder, imported, or made by "
            "an earlier release",
            f"Make one of that data: {command}",
        )
    return DataProfile.from_bytes(file.content, f"{place}, {file.path}"), file


def profile_file(registry: RegistryReader, model: str, version: str) -> ProfileFile | None:
    """Find the profile of a version; None without one.

    Raises:
        NotFoundError: There is no such version.
        ProfileError: The file of its profile is not what was recorded; the message says how it is made again.
        ChangedFileError: The manifest of the version is not what was registered.
    """
    try:
        return registry.profile_file(model, version)
    except DamagedProfileError as error:
        command = f"bondx drift profile {model} --version {version} --data FILE --reason TEXT"
        cure = f"Restore the file from a backup, or make the profile again: {command}"
        raise ProfileError(f"{model} {version}, its profile", str(error), cure) from error
