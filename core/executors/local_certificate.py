"""A certificate for a cluster on one machine: whoever holds its key may use the cluster, and nobody else."""

import ipaddress
from datetime import timedelta
from pathlib import Path

from core.clock import utc_now
from core.files import access_error, make_folder, write_file

DAYS = 30


def write_certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """Write a new self-signed certificate and its key, which only their owner can read.

    Args:
        folder: Where; made if missing. Earlier files of these names are replaced.
        host: The address of this machine that the certificate names.
    Returns:
        The files of the certificate and of the key.
    Raises:
        FileAccessError: They cannot be written.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bondx cluster")])
    now = utc_now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    try:
        make_folder(folder)
    except OSError as error:
        raise access_error(folder, "make the folder", error) from None
    files = folder / "cluster.pem", folder / "cluster.key"
    write_file(files[0], certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_file(files[1], private)
    return files
