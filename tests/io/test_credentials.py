"""Signed pictures: a chain of certificates made here, read back by the library's own reader."""

import datetime
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from photoflow import __version__
from photoflow.errors import InputError
from photoflow.io import source_type_of, write_image
from photoflow.io.credentials import CERTIFICATE, KEY, picture_signer
from photoflow.io.origin import TRAINED, VOCABULARY

PIXELS = np.rint(127.5 + 120 * np.sin(np.arange(40 * 56 * 3) / 9)).astype(np.uint8).reshape(40, 56, 3)


def named(monkeypatch: pytest.MonkeyPatch, certificate: object, key: object) -> None:
    for name, value in ((CERTIFICATE, certificate), (KEY, key)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, str(value))


def chain(folder: Path, key: Any = None, days: int = 9, purpose: str = "EMAIL_PROTECTION") -> tuple[Path, Path]:
    """Write a certificate with that of its issuer, and its key; by default of ECDSA on P-256."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    issuer_key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    key = key or ec.generate_private_key(ec.SECP256R1())
    usages = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
              "decipher_only")  # fmt: skip

    def certificate(name: str, public: Any, is_issuer: bool) -> bytes:
        names = [x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, one)]) for one in (name, "issuer")]
        made = x509.CertificateBuilder().subject_name(names[0]).issuer_name(names[1]).public_key(public)
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=20))
        made = made.not_valid_after(now + datetime.timedelta(days=days))
        made = made.add_extension(x509.BasicConstraints(is_issuer, None), True)
        use = x509.KeyUsage(digital_signature=not is_issuer, key_cert_sign=is_issuer, crl_sign=is_issuer,
                            **dict.fromkeys(usages, False))  # fmt: skip
        made = made.add_extension(use, True)
        made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
        if not is_issuer:
            made = made.add_extension(x509.ExtendedKeyUsage([getattr(x509.ExtendedKeyUsageOID, purpose)]), False)
        return made.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    pem = certificate("signer", key.public_key(), False) + certificate("issuer", issuer_key.public_key(), True)
    (folder / "chain.pem").write_bytes(pem)
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    return folder / "chain.pem", folder / "key.pem"


def keys() -> dict[str, Any]:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    return {
        "Es256": ec.generate_private_key(ec.SECP256R1()), "Es384": ec.generate_private_key(ec.SECP384R1()),
        "Ps256": rsa.generate_private_key(65537, 2048), "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    }  # fmt: skip


def manifest_of(path: Path) -> tuple[dict[str, Any], str]:
    """The active manifest of a file, and whether the library finds it valid: "Valid", or "Invalid"."""
    import c2pa

    with c2pa.Reader(path) as reader:
        store = json.loads(reader.json())
        return store["manifests"][store["active_manifest"]], str(reader.get_validation_state())


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_a_signed_picture_is_read_back(tmp_path, monkeypatch, name):
    pytest.importorskip("c2pa")
    named(monkeypatch, *chain(tmp_path))
    said: list[str] = []
    sign = picture_signer(TRAINED, said.append)
    write_image(tmp_path / name, PIXELS, source_type=TRAINED, sign=sign)
    write_image(tmp_path / f"plain-{name}", PIXELS)
    manifest, state = manifest_of(tmp_path / name)
    (actions,) = [one["data"]["actions"] for one in manifest["assertions"] if one["label"].startswith("c2pa.actions")]
    assert actions == [{"action": "c2pa.created", "digitalSourceType": VOCABULARY + TRAINED}]
    (generator,) = manifest["claim_generator_info"]
    assert (generator["name"], generator["version"], state, said) == ("photoflow", __version__, "Valid", [])
    assert source_type_of(tmp_path / name) == TRAINED  # beside it
    with Image.open(tmp_path / name) as image, Image.open(tmp_path / f"plain-{name}") as plain:
        assert image.tobytes() == plain.tobytes()
    changed = bytearray((tmp_path / name).read_bytes())
    changed[-20] ^= 1
    (tmp_path / name).write_bytes(changed)
    assert manifest_of(tmp_path / name)[1] == "Invalid"


def test_keys_of_all_kinds_sign(tmp_path, monkeypatch):
    pytest.importorskip("c2pa")
    for algorithm, key in keys().items():
        named(monkeypatch, *chain(tmp_path, key))
        write_image(tmp_path / "a.png", PIXELS, sign=picture_signer(TRAINED, print))
        assert manifest_of(tmp_path / "a.png")[0]["signature_info"]["alg"] == algorithm


def test_what_cannot_be_signed_with_is_known_before_any_work(tmp_path, monkeypatch):
    pytest.importorskip("c2pa")
    from cryptography.hazmat.primitives.asymmetric import ec

    certificate, key = chain(tmp_path)
    for name in ("text", "other", "curve", "old", "server"):
        (tmp_path / name).mkdir()
    (tmp_path / "text" / "a.pem").write_text("no key")
    (tmp_path / "empty.pem").touch()
    unusual = chain(tmp_path / "curve", ec.generate_private_key(ec.SECP256K1()))[1]
    cases = [
        ((tmp_path / "none.pem", key), "no such file"),
        ((certificate, tmp_path / "text" / "a.pem"), "expected a private key in PEM without a password"),
        ((certificate, tmp_path / "empty.pem"), "expected a private key in PEM without a password"),
        ((certificate, unusual), "expected a key of ECDSA"),
        ((certificate, chain(tmp_path / "other")[1]), "cannot sign with .*chain.pem and .*key.pem: "),
        ((tmp_path / "text" / "a.pem", key), "cannot sign with .*a.pem and .*key.pem: "),
        (chain(tmp_path / "old", days=-1), "cannot sign with"),
        (chain(tmp_path / "server", purpose="SERVER_AUTH"), "cannot sign with"),
    ]
    for files, said in cases:
        named(monkeypatch, *files)
        with pytest.raises(InputError, match=said) as caught:
            picture_signer(TRAINED, pytest.fail)
        assert "\n" not in str(caught.value)


def test_nothing_is_signed_where_nothing_is_named(monkeypatch):
    named(monkeypatch, None, None)
    assert picture_signer(TRAINED, pytest.fail) is None


@pytest.mark.parametrize(("certificate", "key", "missing"), [("a.pem", None, KEY), ("", "k.pem", CERTIFICATE)])
def test_half_of_what_is_needed_is_told_once(monkeypatch, certificate, key, missing):
    named(monkeypatch, certificate, key)
    said: list[str] = []
    assert picture_signer(TRAINED, said.append) is None
    assert said == [f"pictures are not signed: {missing} is not set"]


def test_a_missing_library_is_told_once(tmp_path, monkeypatch):
    named(monkeypatch, tmp_path / "a.pem", tmp_path / "k.pem")
    monkeypatch.setitem(sys.modules, "c2pa", None)
    said: list[str] = []
    assert picture_signer(TRAINED, said.append) is None
    assert said == ["pictures are not signed, which needs c2pa-python: pip install 'photoflow[credentials]'"]
