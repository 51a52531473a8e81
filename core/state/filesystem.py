"""The guarantees of the file system that the state layer requires."""

import re
from pathlib import Path

from core.state.errors import UnsuitableFilesystemError

# File systems whose flock, rename or fsync do not have their local meaning across machines.
NETWORK_KINDS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "davfs", "ceph", "lustre", "gpfs", "beegfs"}
    | {"glusterfs", "orangefs", "pvfs2", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.goofys", "fuse.rclone"}
    | {"fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.davfs2", "fuse.smbnetfs", "fuse.curlftpfs"}
    | {"fuse.blobfuse", "fuse.blobfuse2", "fuse.juicefs", "fuse.mount-s3", "fuse.moosefs"}
)
_MOUNTS = Path("/proc/self/mountinfo")


def require_local(path: Path, mounts: Path = _MOUNTS) -> None:
    """Refuse a folder on a network file system.

    Args:
        path: The folder, existing or not.
        mounts: The kernel's list of mounts; without one, every folder passes.

    Raises:
        UnsuitableFilesystemError: The folder is on NFS, CIFS or their like.
    """
    mount, kind = mount_of(path, mounts)
    if kind in NETWORK_KINDS:
        raise UnsuitableFilesystemError(path, mount, kind)


def mount_of(path: Path, mounts: Path = _MOUNTS) -> tuple[Path, str]:
    """Find the mount that a folder is on, and the kind of its file system; "" if the kernel does not say.

    Args:
        path: The folder, existing or not.
        mounts: The kernel's list of mounts.
    """
    resolved = path.resolve()
    mount, kind = Path("/"), ""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return mount, kind
    for line in lines:
        before, _, after = line.partition(" - ")
        mounted_at = Path(_unescaped(before.split(" ")[4]))
        # A later mount hides an earlier one on the same folder, so equals replace.
        if resolved.is_relative_to(mounted_at) and len(mounted_at.parts) >= len(mount.parts):
            mount, kind = mounted_at, after.split(" ")[0]
    return mount, kind


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
