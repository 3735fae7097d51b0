"""Content Credentials: a signed C2PA manifest in a picture, which says that a network made it, and with what.

Source: C2PA, Technical Specification 2, "Actions" and "X.509 Certificates". All of it is done by c2pa-python, the
library of the Content Authenticity Initiative, where it is installed; nothing is fetched, no time stamp either.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from io import BytesIO
from typing import Any

from photoflow import __version__
from photoflow.errors import InputError
from photoflow.io import origin
from photoflow.io.reading import read_bytes

CERTIFICATE, KEY = "PHOTOFLOW_C2PA_CERTIFICATE", "PHOTOFLOW_C2PA_KEY"
"""Environment variables that name PEM files: the certificate followed by those that vouch for it, and its key."""

Sign = Callable[[bytes], bytes]
"""A call that takes a picture's file, PNG, JPEG or WebP, and returns it signed."""

_MOST = 1 << 20  # bytes of a PEM file
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_KINDS = {b"\x89PN": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIF": "image/webp"}  # by the first bytes
# One pixel: what cannot be signed with is known before any work.
_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c636000000002000148afa4710000000049454e44ae426082"
)


def picture_signer(source_type: str, report: Callable[[str], None]) -> Sign | None:
    """Return what signs made pictures, where the environment names a certificate and its key.

    Args:
        source_type: what the manifest says of the pictures' origin, one of `photoflow.io.origin.GENERATED`.
        report: receives a line where one of the two is named and nothing can be signed all the same.

    Returns:
        A signer, tried already; None where nothing is to be signed.

    Raises:
        InputError: a file cannot be read, the key is no key or that of another certificate, or the certificate is none
            that C2PA allows.
    """
    named = {name: os.environ.get(name, "") for name in (CERTIFICATE, KEY)}
    missing = [name for name, value in named.items() if not value]
    if len(missing) == 2:
        return None
    if missing:
        report(f"pictures are not signed: {missing[0]} is not set")
        return None
    try:
        c2pa: Any = importlib.import_module("c2pa")
    except (ImportError, OSError):  # its own library may be missing
        report("pictures are not signed, which needs c2pa-python: pip install 'photoflow[credentials]'")
        return None
    certificate, key = (read_bytes(value, f"a PEM file ({name})", _MOST) for name, value in named.items())
    algorithm = _algorithm(key, named[KEY])
    manifest = _manifest(source_type)

    def sign(data: bytes) -> bytes:
        signed = BytesIO()
        try:
            about = c2pa.C2paSignerInfo(algorithm, certificate, key, None)
            with c2pa.Signer.from_info(about) as signer, c2pa.Builder(manifest) as builder:
                builder.sign(signer, _KINDS[data[:3]], BytesIO(data), signed)
        except c2pa.C2paError as error:
            reason = str(error).splitlines()[0][:200]
            raise InputError(f"cannot sign with {named[CERTIFICATE]} and {named[KEY]}: {reason}") from error
        return signed.getvalue()

    sign(_PIXEL)
    return sign


def _manifest(source_type: str) -> dict[str, Any]:
    action = {"action": "c2pa.created", "digitalSourceType": origin.VOCABULARY + source_type}
    return {
        "claim_generator_info": [{"name": "photoflow", "version": __version__}],
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
    }


def _algorithm(key: bytes, name: str) -> str:
    """Return C2PA's name of the algorithm of a private key.

    Args:
        key: PEM, without a password.
        name: of its file, for messages.

    Raises:
        InputError: it is none, or of an algorithm that C2PA does not allow.
    """
    serialization: Any = importlib.import_module("cryptography.hazmat.primitives.serialization")  # c2pa-python has it
    try:
        loaded = serialization.load_pem_private_key(key, None)
    except Exception as error:  # ValueError, TypeError where it has a password, UnsupportedAlgorithm
        raise InputError(f"{name} ({KEY}): expected a private key in PEM without a password") from error
    kind = type(loaded).__name__.lower()
    if "rsa" in kind:
        return "ps256"
    algorithm = "ed25519" if "ed25519" in kind else _CURVES.get(getattr(getattr(loaded, "curve", None), "name", ""))
    if algorithm is None:
        raise InputError(f"{name} ({KEY}): expected a key of ECDSA on P-256, P-384 or P-521, RSA or Ed25519")
    return algorithm
