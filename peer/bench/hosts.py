"""Several hosts on this machine: network namespaces, joined by bridges that have namespaces of their own.

No namespace has a name. Each is held open by a process that reads from us, and whatever runs in one dies with us, so
that nothing is left behind however we end. Nothing here touches the machine's own network. It needs root, and refuses
to know what runs in a host.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Self

_NEEDED: Final = {"ip": "iproute2", "unshare": "util-linux", "nsenter": "util-linux", "setpriv": "util-linux"}
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET: Final = 0x40000000
_ETH_P_ALL: Final = 3
_SO_RCVBUFFORCE: Final = 33
_CAPTURE_BUFFER: Final = 64 * 2**20
"""What the kernel keeps for a capture while its thread waits for a turn."""
_CAPTURE_LOOK_S: Final = 0.1


def fault_of_machine() -> str | None:
    """Say why no hosts can be made here, or None."""
    if not os.path.exists("/proc/self/ns/net"):
        return "network namespaces are a thing of Linux"
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = sorted({package for command, package in _NEEDED.items() if shutil.which(command) is None})
    if missing:
        return f"commands are missing; on Debian and Ubuntu: apt install {' '.join(missing)}"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True, check=False)
    return f"this system makes no network namespace: {tried.stderr.strip()}" if tried.returncode else None


class Namespace:
    """A network namespace with nothing in it but loopback. It lives until it is closed, or we end."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._holder.stdout is not None, "it was asked for"
        self._holder.stdout.readline()  # now it has left our own namespace
        self.ip("link set lo up")

    @property
    def path(self) -> str:
        """The file that stands for it."""
        return f"/proc/{self._holder.pid}/ns/net"

    def command(self, *arguments: str) -> list[str]:
        """A command that runs in here, with the pid that it is started with, and is killed when its starter ends."""
        return ["nsenter", f"--net={self.path}", "setpriv", "--pdeathsig", "KILL", *arguments]

    def run(self, *arguments: str, text: str = "") -> str:
        """Run a command in here to its end; what it says. Raises CalledProcessError when it fails."""
        done = subprocess.run(self.command(*arguments), input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, arguments, done.stdout, done.stderr)
        return done.stdout

    def ip(self, *lines: str) -> None:
        """Run commands of `ip`, one a line, until one fails."""
        self.run("ip", "-batch", "-", text="\n".join(lines) + "\n")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be in here with this thread: a socket that is opened meanwhile stays here for good."""
        with open("/proc/thread-self/ns/net") as before, open(self.path) as here:
            _set_namespace(here.fileno())
            try:
                yield
            finally:
                _set_namespace(before.fileno())

    def close(self) -> None:
        """Let go of it: it is gone with the last process in it."""
        self._holder.kill()
        self._holder.communicate()


def _set_namespace(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class Host:
    """A computer of its own, as far as the network can tell: `eth0` is on its first bridge, `eth1` on its second."""

    def __init__(self, name: str, number: int) -> None:
        self.name, self.number = name, number
        self.namespace = Namespace()
        self.addresses: list[str] = []
        """The IP addresses that it was given, in the order of its bridges; of each, IPv4 first."""

    def lose(self, share: float) -> None:
        """From now on lose this share of what comes in, 0 for nothing (iptables)."""
        rule = f"INPUT -i eth+ -m statistic --mode random --probability {share} -j DROP".split()
        for command in ("iptables", "ip6tables"):
            self.namespace.run(command, "-F", "INPUT")
            if share:
                self.namespace.run(command, "-A", *rule)


class Bridge:
    """What hosts are plugged into. It hands on everything, multicast too."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.namespace = Namespace()
        self.namespace.ip("link add br0 type bridge mcast_snooping 0 forward_delay 0", "link set br0 up")

    def plug(self, host: Host, *, v4: bool = True, v6: bool = True) -> None:
        """Give a host an interface on this bridge, up at once, with an address of each family."""
        inside = f"eth{sum(1 for _ in _interfaces(host))}"
        self.namespace.ip(
            f"link add name {host.name} type veth peer name {inside} netns {Path(host.namespace.path).parts[2]}",
            f"link set dev {host.name} master br0 up",
        )
        four, six = f"10.77.{self.number}.{host.number}", f"fd77:0:0:{self.number}::{host.number}"
        link_local = f"fe80::{self.number}:{host.number}"
        lines = [f"link set {inside} addrgenmode none", f"link set {inside} up"]
        lines += [f"addr add {four}/24 brd + dev {inside}"] if v4 else []
        # Nobody else has these addresses, so nobody need be asked for a second whether they are taken.
        lines += [f"addr add {each}/64 dev {inside} nodad" for each in (six, link_local) if v6]
        host.namespace.ip(*lines)
        host.addresses += [four] * v4 + [six] * v6

    def cut(self, *hosts: Host) -> None:
        """Pull the plugs of hosts: nothing passes any more, and they notice it."""
        self.namespace.ip(*[f"link set dev {host.name} down" for host in hosts])

    def heal(self, *hosts: Host) -> None:
        """Plug hosts in again."""
        self.namespace.ip(*[f"link set dev {host.name} up" for host in hosts])

    @contextmanager
    def captured(self) -> Iterator[list[bytes]]:
        """Record every frame that passes, from the Ethernet header on; the list is whole behind the context."""
        with self.namespace.entered():
            listening = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        listening.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _CAPTURE_BUFFER)
        listening.settimeout(_CAPTURE_LOOK_S)
        frames: list[bytes] = []
        over = threading.Event()
        thread = threading.Thread(target=_record, args=(listening, frames, over), name="capture")
        thread.start()
        try:
            yield frames
        finally:
            over.set()
            thread.join()
            listening.close()


def _interfaces(host: Host) -> Iterator[str]:
    with host.namespace.entered():
        yield from (name for _, name in socket.if_nameindex() if name.startswith("eth"))


def _record(listening: socket.socket, frames: list[bytes], over: threading.Event) -> None:
    """Take frames until there are no more and nobody wants more."""
    while True:
        with contextlib.suppress(TimeoutError):
            frames.append(listening.recv(2**16))
            continue
        if over.is_set():
            return


class Network:
    """Bridges and hosts for the time of a context; all are gone after it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.bridges: list[Bridge] = []
        self.hosts: list[Host] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def bridge(self) -> Bridge:
        """One more bridge."""
        bridge = Bridge(len(self.bridges))
        self._stack.callback(bridge.namespace.close)
        self.bridges.append(bridge)
        return bridge

    def host(self, name: str, *bridges: Bridge, v4: bool = True, v6: bool = True) -> Host:
        """One more host, on these bridges; its `name` is at most 15 characters."""
        host = Host(name, len(self.hosts) + 1)
        self._stack.callback(host.namespace.close)
        for bridge in bridges:
            bridge.plug(host, v4=v4, v6=v6)
        self.hosts.append(host)
        return host

    def on_one_bridge(self, names: Sequence[str], *, v4: bool = True, v6: bool = True) -> tuple[Bridge, list[Host]]:
        """The usual thing: so many hosts on a bridge."""
        bridge = self.bridge()
        return bridge, [self.host(name, bridge, v4=v4, v6=v6) for name in names]
