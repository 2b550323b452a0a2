"""A host's peers as others want them written: a systemd unit around `vendue up`, or a Procfile without it."""

from __future__ import annotations

import re
from typing import Final

from peer.host.commands import shell_line, vendue_command
from peer.host.peersfile import Host

STATE: Final = "/var/lib/vendue"
GOODBYE_S: Final = 5
"""What systemd waits longer than `vendue up` does, before it kills."""
DESCRIPTORS: Final = 65_536
"""A peer of a large market holds some two thousand; the default of many systems, 1024, is for programs with select."""

_UNIT: Final = """\
# {peers}
#
# Put this into /etc/systemd/system/vendue.service, then: systemctl daemon-reload && systemctl enable --now vendue
# The user must be there (useradd --system {user}){joined}
# To ask from a shell, as that user: env {ask}vendue status

[Unit]
Description=Vendue, peers of {file}
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
NotifyAccess=main
User={user}
ExecStart={command}
WorkingDirectory={folder}
{variables}
StateDirectory=vendue
StateDirectoryMode=0700
RuntimeDirectory=vendue
RuntimeDirectoryMode=0700
UMask=0077
Restart=on-failure
RestartSec=5
# Wrong settings do not mend themselves.
RestartPreventExitStatus=8
WatchdogSec=30
# The peers say goodbye when vendue up tells them to; what is left behind after that is killed.
KillMode=mixed
TimeoutStopSec={stop_s}
LimitNOFILE={descriptors}

# Agents may read the system and write nothing but what is below. One that has to write elsewhere: ReadWritePaths=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
{writable}PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
CapabilityBoundingSet=
SystemCallArchitectures=native
# Nothing of ours makes code while it runs. An agent that compiles (numba, torch) needs this line taken out.
MemoryDenyWriteExecute=yes

[Install]
WantedBy=multi-user.target
"""


def systemd_unit(host: Host, *, user: str) -> str:
    """A unit that runs `vendue up` for this file, is told when its peers are ready, and gives them little else."""
    home = host.said.get("home")
    data = str(home) if home is not None else STATE
    given = {} if home is not None else {"VENDUE_HOME": STATE}
    given |= {"VENDUE_RUNTIME": "/run/vendue"}
    asking = {"VENDUE_HOME": data, "VENDUE_RUNTIME": "/run/vendue"}
    market = host.settings.market
    return _UNIT.format(
        peers=_comment(f"The peers of {host.path}: {', '.join(peer.label for peer in host.peers)}"),
        user=user,
        joined="." if market == "local" else f", and the market {market} joined or made in {_comment(data)} by it.",
        ask=_comment(" ".join(f"{name}={value}" for name, value in asking.items()) + " "),
        file=_plain(str(host.path)),
        command=" ".join(map(_word, [*vendue_command(), "up", str(host.path)])),
        folder=_plain(str(host.folder)),
        variables="\n".join(f"Environment={_quoted(f'{name}={value}')}" for name, value in given.items()),
        stop_s=host.plan.stop_timeout_s + GOODBYE_S,
        descriptors=DESCRIPTORS,
        writable=f"ReadWritePaths={_quoted(data)}\n" if home is not None else "",
    )


def procfile(host: Host) -> str:
    """A line for each peer, as foreman and honcho read it."""
    return "".join(f"{peer.label}: {shell_line(host, peer)}\n" for peer in host.peers)


def _word(text: str) -> str:
    """A word of a command, where systemd would also fill in variables."""
    return _quoted(text.replace("$", "$$"))


def _quoted(text: str) -> str:
    """Text as one word of a unit file."""
    plain = _plain(text)
    if re.fullmatch(r"[A-Za-z0-9_./=:@%+,-]+", plain):
        return plain
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _plain(text: str) -> str:
    """Text that means itself where systemd fills in its specifiers."""
    return _comment(text).replace("%", "%%")


def _comment(text: str) -> str:
    """Text that stays on its line."""
    return re.sub(r"[\r\n]+", " ", text)
