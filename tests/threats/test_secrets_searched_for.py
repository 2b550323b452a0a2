"""Secrets searched for: somebody gets at everything that a market leaves lying about, except its key files.

It has every log at debug level, every file and database of two computers, every export, the environment and the command
line of every process, and whatever any command has said. It looks for each private key and each code's secret, raw and
in hex, base64, base32 and Z85. It finds none.
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from zmq.utils import z85

from peer import keystore
from peer.members.hostmember import HostMember
from protocol.invitation import AdmitterKey, parse_code
from tests.peer.cli.processes import Running, Vendue
from tests.peer.members.computers import Computer, computers

SHOUT = '@worker("shout", price=5)\ndef shout(text: str) -> str:\n    return text.upper()\n'
POLICY = '[[rule]]\nid = "all"\ndecision = "permit"\n'


def spellings(secret: bytes) -> Iterator[bytes]:
    """How a secret may be written: as it is, and in every alphabet, wherever in a longer text it begins."""
    yield secret
    yield from (secret.hex().encode(), secret.hex().upper().encode())
    for skip in range(3):
        whole = secret[skip : skip + (len(secret) - skip) // 3 * 3]
        yield from (base64.b64encode(whole), base64.urlsafe_b64encode(whole))
    for skip in range(5):
        whole = secret[skip : skip + (len(secret) - skip) // 5 * 5]
        yield from (base64.b32encode(whole), base64.b32encode(whole).lower())
    for skip in range(4):
        yield z85.encode(secret[skip : skip + (len(secret) - skip) // 4 * 4])
    yield repr(secret).encode()[2:-1]


def found(secrets: dict[str, bytes], text: bytes) -> list[str]:
    """Whose secrets a text gives away; hyphens and line ends are nothing."""
    plain = text.replace(b"-", b"").replace(b"\n", b"")
    needles = {name: [each for each in spellings(secret) if len(each) >= 5] for name, secret in secrets.items()}
    return sorted(name for name, each in needles.items() if any(one in text or one in plain for one in each))


def key_files(*computers: Computer) -> list[Path]:
    """The files that may hold private keys."""
    return [path for computer in computers for path in computer.folder.rglob("*.pem")]


def secrets_in(*computers: Computer) -> dict[str, bytes]:
    """Every private key of these computers, and what is derived from it and as secret."""
    secrets: dict[str, bytes] = {}
    for path in key_files(*computers):
        name = "/".join(path.parts[-5:])
        if path.name == "transport.pem":
            secrets[name] = keystore.load_transport(path).private_bytes_raw()
            continue
        secrets[name] = keystore.load(path).private_bytes_raw()
        secrets[f"{name}, codes"] = AdmitterKey(secrets[name])._key
        secrets[f"{name}, connections"] = HostMember(keystore.load(path)).transport.private_bytes_raw()
    return secrets


def processes(*running: Running) -> dict[str, bytes]:
    """What everybody on the computer can see of processes, and their owner as well."""
    seen = {}
    for each in running:
        for name in ("cmdline", "environ"):
            seen[f"process {each.process.args} {name}"] = Path(f"/proc/{each.process.pid}/{name}").read_bytes()
    return seen


def anyhow(computer: Computer, *arguments: str) -> bytes:
    """Whatever a command says, and however it ends."""
    command = [sys.executable, "-m", "peer", *arguments]
    done = subprocess.run(command, env=computer.environment, cwd=computer.folder, capture_output=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.skipif(not os.path.exists("/proc/self/cmdline"), reason="processes are looked at in /proc")
def test_no_secret_is_anywhere_but_in_its_key_file(tmp_path: Path) -> None:
    """Init, govern, invite, join, run, announce, review of what there is, export, renewal, revocation, a crash."""
    here, there = computers(tmp_path)
    said: dict[str, bytes] = {}

    def do(computer: Computer, *arguments: str, code: int = 0, input: str | None = None) -> str:
        done = computer(*arguments, code=code, input=input)
        said[f"{len(said)} {' '.join(arguments[:2])}"] = (done.stdout + done.stderr).encode()
        return done.stdout

    for computer in (here, there):
        computer.environment["VENDUE_LOG_LEVEL"] = "debug"
    try:
        do(here, "init", "fair")
        (here.folder / "policy.toml").write_text(POLICY)
        governor = here.govern()
        codes = [here.invite("--role", "agent") for _ in range(2)]  # the one place that shows a code
        do(there, "join", "-", input=codes[0] + "\n")
        do(there, "join", "-", input=codes[0][:-3] + "zzz\n", code=7)
        worker = there.start("run", there.agents(SHOUT)).wait_for("Ctrl-C")
        do(here, "announce", "shout", '{"text": "x"}', "--budget", "9", "--follow")
        for command in ("peers", "doctor --json", "config show", "key show", "member list --json", "charter show"):
            said[command] = anyhow(here, *command.split())
        do(here, "audit", "export", "--all", "--out", "evidence.vendue")
        do(there, "member", "renew")
        seen = processes(governor, worker)
        assert worker.stop(signal.SIGABRT) != 0
        governor.stop()
        said |= {f"output of {each.process.args}": (each.out + each.err).encode() for each in (governor, worker)}
        secrets = secrets_in(here, there)
        secrets |= {f"code {number}": parse_code(code).secret for number, code in enumerate(codes)}
        assert len(secrets) > 15
        places = said | seen
        open_to = set(key_files(here, there))
        for path in tmp_path.rglob("*"):
            if path.is_file() and path not in open_to:
                places[str(path)] = path.read_bytes()
        assert any(place.endswith("journal.db") for place in places)
        assert any(place.endswith("evidence.vendue") for place in places)
        assert {place: names for place, text in places.items() if (names := found(secrets, text))} == {}
        for path in open_to:  # the counter-check: where they are, the same search finds them
            assert found(secrets, path.read_bytes())
    finally:
        here.close()
        there.close()


@pytest.mark.skipif(not os.path.exists("/proc/self/limits"), reason="limits are looked at in /proc")
def test_a_peer_that_crashes_leaves_no_memory_in_a_file(tmp_path: Path) -> None:
    """A core dump has the private keys in it; the peer allows the system none, whatever its user's shell allows."""
    dumping = Vendue(tmp_path, place=lambda *command: ["sh", "-c", 'ulimit -c unlimited; exec "$0" "$@"', *command])
    running = dumping.start("run", dumping.agents(SHOUT))
    try:
        running.wait_for("Ctrl-C")
        limits = Path(f"/proc/{running.process.pid}/limits").read_text()
        (cores,) = [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core file size")]
        assert cores == ["0", "unlimited"], "the limit was not lowered by the peer"
    finally:
        dumping.close()


@pytest.mark.parametrize("secret", [bytes(range(32)), os.urandom(32), os.urandom(9)], ids=["32", "random", "code"])
def test_the_search_finds_a_secret_however_it_is_written(secret: bytes) -> None:
    """The counter-check: in the middle of other bytes, in each alphabet."""
    around = [b"x" * skip + secret + b"y" for skip in range(5)]
    texts = [secret, secret.hex().encode(), *map(base64.b64encode, around), *map(base64.urlsafe_b64encode, around)]
    texts += [*map(base64.b32encode, around), repr(secret).encode()]
    texts += [z85.encode(text.ljust(-(-len(text) // 4) * 4, b"z")) for text in around[:4]]
    for text in texts:
        assert found({"it": secret}, b"said: " + text) == ["it"], text
    assert found({"it": secret}, os.urandom(100_000)) == []
