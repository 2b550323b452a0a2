"""Private keys on disk: whole or absent, never overwritten, never used when others can read them."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from peer.keystore import (
    create,
    describe,
    load,
    load_or_create,
    load_or_create_transport,
    load_transport,
)
from protocol.errors import BadConfig, KeyExposed
from protocol.keys import parse_peer

LOAD_OR_CREATE = """
import sys
from pathlib import Path
from peer.keystore import load_or_create
print("ready", flush=True)
sys.stdin.readline()
print(load_or_create(Path(sys.argv[1])).public_key().public_bytes_raw().hex())
"""
DIE_AT = """
import os, signal, sys
from pathlib import Path
import peer.keystore as keystore
def die(*_args, **_kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
place = {"write": (keystore.os, "fsync"), "link": (keystore.os, "link"), "draft": (Path, "unlink"),
         "directory": (keystore, "sync_folder")}
setattr(*place[sys.argv[2]], die)
keystore.load_or_create(Path(sys.argv[1]))
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file that belongs to somebody else")


def public(private: Ed25519PrivateKey) -> bytes:
    """The peer id of a private key."""
    return private.public_key().public_bytes_raw()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A place for a key in a directory that is not there yet."""
    return tmp_path / "home" / "key.pem"


def test_key_made_once_is_read_ever_after(path: Path) -> None:
    """A peer keeps its identity over restarts."""
    made = load_or_create(path)
    assert public(load_or_create(path)) == public(load(path)) == public(made)


def test_key_file_is_private_whatever_the_umask(path: Path) -> None:
    """The file has mode 0600 and stands alone in a directory of mode 0700."""
    before = os.umask(0)
    try:
        create(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["key.pem"]


def test_create_never_overwrites_a_key(path: Path) -> None:
    """A key that is lost is an identity that is lost, so a second making fails and changes nothing."""
    first = create(path)
    with pytest.raises(BadConfig, match="already a file"):
        create(path)
    assert public(load(path)) == public(first)
    assert os.listdir(path.parent) == ["key.pem"]


def test_racing_processes_agree_on_one_key(path: Path) -> None:
    """One of them makes the key, and all of them are the same peer."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", LOAD_OR_CREATE, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdout
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("\n")
        racer.stdin.flush()
    said = {racer.communicate(timeout=60)[0].strip() for racer in racers}
    assert said == {public(load(path)).hex()}
    assert os.listdir(path.parent) == ["key.pem"]


@pytest.mark.parametrize(("moment", "whole"), [("write", False), ("link", False), ("draft", True), ("directory", True)])
def test_kill_at_any_moment_leaves_no_half_made_key(path: Path, moment: str, whole: bool) -> None:
    """After kill -9 the key is there whole or not at all, and the next start goes on without help."""
    died = subprocess.run([sys.executable, "-c", DIE_AT, str(path), moment], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    assert path.exists() is whole
    for leftover in path.parent.iterdir():
        assert stat.S_IMODE(leftover.stat().st_mode) == 0o600
    assert public(load_or_create(path)) == public(load(path))
    assert os.listdir(path.parent) == ["key.pem"], "no forgotten private key lies about"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o777])
def test_exposed_key_is_refused_with_the_remedy(path: Path, mode: int) -> None:
    """A key that anybody else can touch is not used, and the error says the command that closes it."""
    create(path)
    path.chmod(mode)
    with pytest.raises(KeyExposed) as refused:
        load_or_create(path)
    assert f"chmod 600 {path}" in refused.value.do
    path.chmod(0o600)
    load(path)


def test_transport_key_is_kept_by_the_same_rules_and_never_taken_for_the_other(path: Path) -> None:
    """It is made once, for its owner alone; neither kind of key is read where the other is expected."""
    made = load_or_create_transport(path)
    assert load_transport(path).public_key() == load_or_create_transport(path).public_key() == made.public_key()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(BadConfig, match="must be an Ed25519"):
        load(path)
    create(path.with_name("other.pem"))
    with pytest.raises(BadConfig, match="must be an X25519"):
        load_transport(path.with_name("other.pem"))
    path.chmod(0o640)
    with pytest.raises(KeyExposed):
        load_or_create_transport(path)


def test_missing_key_is_a_setting_that_is_wrong(path: Path) -> None:
    """To load is not to make: the error says where a key was expected."""
    with pytest.raises(BadConfig, match="There is no key at"):
        load(path)


def written(path: Path, content: bytes) -> Path:
    """Put `content` where a key is expected, with the mode of a key."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def pem(private: object, password: bytes = b"") -> bytes:
    """Write any private key as PEM."""
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)  # type: ignore[attr-defined,no-any-return]


def test_what_is_no_ed25519_key_is_refused_and_never_quoted(path: Path) -> None:
    """Neither garbage, nor half a key, nor one of another kind or with a password is used, or shown."""
    private = Ed25519PrivateKey.generate()
    whole = pem(private)
    bad = [b"", b"\xff" * 64, whole[:60], whole.replace(b"M", b"!", 1), whole + b"\n" * 5000]
    bad.append(whole.replace(b"MC4CAQAwBQYDK2Vw", b"MC4CAQAwBQYDK2Vx"))  # says that it is of Ed448, which is longer
    for content in [*bad, pem(generate_private_key(SECP256R1())), pem(private, b"password")]:
        with pytest.raises(BadConfig, match="not a key that a peer can use") as refused:
            load(written(path, content))
        assert whole.splitlines()[1].decode() not in str(refused.value)
        assert refused.value.__cause__ is None


def test_pipe_in_place_of_a_key_does_not_hang_the_start(path: Path) -> None:
    """Only an ordinary file is read."""
    path.parent.mkdir(mode=0o700)
    os.mkfifo(path, 0o600)
    with pytest.raises(BadConfig, match="is no file"):
        load(path)


def test_own_link_to_an_own_key_is_followed(path: Path, tmp_path: Path) -> None:
    """People keep keys elsewhere and link to them; a link that leads nowhere is a missing key, not a place for one."""
    key = create(tmp_path / "elsewhere" / "key.pem")
    path.parent.mkdir(mode=0o700)
    path.symlink_to(tmp_path / "elsewhere" / "key.pem")
    assert public(load_or_create(path)) == public(key)
    (tmp_path / "elsewhere" / "key.pem").unlink()
    with pytest.raises(BadConfig, match="There is no key at"):
        load_or_create(path)


@needs_root
def test_another_users_link_or_file_is_refused(path: Path, tmp_path: Path) -> None:
    """Who owns the link or the file decides which key we sign with, so it must be us."""
    create(tmp_path / "elsewhere" / "key.pem")
    path.parent.mkdir(mode=0o700)
    path.symlink_to(tmp_path / "elsewhere" / "key.pem")
    os.chown(path, 65_534, 65_534, follow_symlinks=False)
    with pytest.raises(BadConfig, match="another user's link"):
        load(path)
    os.chown(path, 0, 0, follow_symlinks=False)
    os.chown(tmp_path / "elsewhere" / "key.pem", 65_534, 65_534)
    with pytest.raises(BadConfig, match="belongs to another user"):
        load(path)


def test_failed_making_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that cannot take the key is told as such, and no draft of a private key stays behind."""

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadConfig, match="No space left on device"):
        create(path)
    assert os.listdir(path.parent) == []


def test_description_shows_the_public_half_only(path: Path) -> None:
    """What `vendue key` prints leads to the peer and not to its secret."""
    private = create(path)
    shown = describe(path)
    assert parse_peer(shown.peer) == public(private)
    assert (shown.path, shown.mode) == (path, "0600")
    assert datetime.fromisoformat(shown.created).timestamp() == int(path.stat().st_mtime)
    assert private.private_bytes_raw().hex() not in repr(shown)
