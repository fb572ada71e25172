"""``verify --public-key`` accepts the files that a release engineer signed, and no others."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from core.errors import InvalidInput
from editions.tools import sign
from server.cli.verify import verify
from server.verification.signature import message, problems
from tests.support.made_up import make

KEYS: dict[str, Callable[[], sign.PrivateKey]] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
}


def _public(key: sign.PrivateKey | rsa.RSAPrivateKey, path: Path) -> Path:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    path.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))
    return path


def _pem(key: sign.PrivateKey | rsa.RSAPrivateKey, passphrase: bytes = b"") -> bytes:
    secret = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)


@pytest.fixture
def pex(tmp_path: Path) -> Path:
    """An edition with its checksums and its provenance."""
    pex = make(tmp_path / "full.pex")
    pex.with_suffix(".SHA256SUMS").write_text(f"{'0' * 64}  full.pex\n")
    pex.with_suffix(".intoto.jsonl").write_text('{"subject": []}\n')
    return pex


@pytest.fixture(params=KEYS)
def key(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sign.PrivateKey:
    """A private key of each kind, in a file that the tool finds from the caller's folder."""
    made: sign.PrivateKey = KEYS[request.param]()
    (tmp_path / "release.pem").write_bytes(_pem(made))
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    return made


def test_the_message_is_that_of_the_specification() -> None:
    """The example of DSSE's own document, to the byte."""
    assert message("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_a_signed_file_is_accepted(pex: Path, key: sign.PrivateKey, capsys: pytest.CaptureFixture[str]) -> None:
    """By the command and by ``verify``, with a key of either kind."""
    assert sign.main(["--key", "release.pem", "full.pex"]) == 0
    written = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    assert written == ["full.SHA256SUMS.dsse.json", "full.intoto.jsonl.dsse.json"]
    assert list(problems(pex, _public(key, pex.with_name("release.pub")))) == []


@pytest.mark.parametrize("damage", ["file", "payload", "type", "signature", "key", "nonsense", "missing"])
def test_anything_else_is_named(pex: Path, key: sign.PrivateKey, damage: str) -> None:
    """A changed file, an envelope with a changed part, another key, no envelope: each is one line."""
    assert sign.main(["--key", "release.pem", "full.pex"]) == 0
    sums, envelope = pex.with_suffix(".SHA256SUMS"), pex.with_name("full.SHA256SUMS.dsse.json")
    content = json.loads(envelope.read_text())
    public = _public(key, pex.with_name("release.pub"))
    if damage == "file":
        sums.write_text(f"{'1' * 64}  full.pex\n")
    elif damage == "payload":
        sums.write_text("other\n")
        content["payload"] = base64.b64encode(b"other\n").decode()
    elif damage == "type":
        content["payloadType"] = "application/vnd.in-toto+json"
    elif damage == "signature":
        content["signatures"][0]["sig"] = base64.b64encode(b"0" * 64).decode()
    elif damage == "key":
        _public(ed25519.Ed25519PrivateKey.generate(), public)
    envelope.write_text("[1]" if damage == "nonsense" else json.dumps(content))
    if damage == "missing":
        envelope.unlink()
    found = list(problems(pex, public))
    assert len(found) == (2 if damage == "key" else 1)
    assert found[0].startswith("full.SHA256SUMS.dsse.json: ")


def test_verify_takes_the_key(pex: Path, key: sign.PrivateKey) -> None:
    """The command asks for both envelopes when a key is given, and for none without."""
    public = _public(key, pex.with_name("release.pub"))
    missing = [line for line in verify(pex, public_key=public).problems if "is not there" in line]
    assert len(missing) == 2
    assert not [line for line in verify(pex).problems if "dsse" in line]


def test_a_passphrase_is_asked_for(tmp_path: Path) -> None:
    """The key's file is named, and the passphrase that is typed opens it."""
    made = ed25519.Ed25519PrivateKey.generate()
    file = tmp_path / "release.pem"
    file.write_bytes(_pem(made, b"secret"))
    asked: list[str] = []
    opened = sign.load(file, lambda prompt: asked.append(prompt) or "secret")  # type: ignore[func-returns-value]
    assert opened.public_key() == made.public_key()
    assert asked == ["passphrase of release.pem: "]


def test_keys_that_cannot_be_used_are_refused(pex: Path) -> None:
    """RSA, and what is no key at all, by name and with what to take."""
    other = rsa.generate_private_key(65537, 2048)
    private = pex.with_name("rsa.pem")
    private.write_bytes(_pem(other))
    with pytest.raises(ValueError, match=r"rsa\.pem is a key of another kind; take one for Ed25519 or ECDSA"):
        sign.load(private)
    with pytest.raises(InvalidInput, match=r"rsa\.pub: is a key of another kind"):
        list(problems(pex, _public(other, pex.with_name("rsa.pub"))))
    with pytest.raises(InvalidInput, match="is no public key in PEM"):
        list(problems(pex, private))


def test_an_edition_without_the_library_says_so(pex: Path) -> None:
    """`minimal` has no cryptography; the message names an edition that checks for it."""
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from pathlib import Path\n"
        "from core.errors import InvalidInput\n"
        "from server.verification.signature import problems\n"
        "try:\n    list(problems(Path(sys.argv[1]), Path('k')))\n"
        "except InvalidInput as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(pex)], check=True, capture_output=True, text=True)
    assert "no wheel `cryptography`" in done.stdout
    assert "full.pex verify --public-key KEY FILE" in done.stdout
