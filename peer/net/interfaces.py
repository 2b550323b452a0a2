"""Where on this computer a peer is reached: the settings `interface` and `ports`, made into addresses in one place.

It refuses to choose: an address that nobody named is never listened on, and neither is "every address".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from peer.net.endpoints import on_loopback
from protocol.errors import BadConfig
from protocol.limits import ADDRESSES_MAX

PORT_MAX: Final = 65_535
PORTS_OF_A_PEER: Final = 3
"""Its lobby's, the one it publishes on, and the one it answers on."""
LISTED_MAX: Final = 16
"""How many interfaces an error lists: a computer with containers has many, and a person reads a few."""


class Interface(NamedTuple):
    """One network interface of this computer, with its addresses: IPv4 first, an address of one link with its zone."""

    name: str
    hosts: tuple[str, ...]


def interfaces() -> list[Interface]:
    """Every network interface of this computer that has an address."""
    import ifaddr  # most peers live on loopback, and need none of it

    found = []
    for adapter in ifaddr.get_adapters():
        four = [address.ip for address in adapter.ips if isinstance(address.ip, str)]
        six = [address.ip[0] for address in adapter.ips if not isinstance(address.ip, str)]
        name = str(adapter.name)
        linked = [f"{host}%{name}" if ipaddress.ip_address(host).is_link_local else host for host in six]
        if four or linked:
            found.append(Interface(name, (*four, *linked)))
    return found


def resolve(interface: str, *, here: Sequence[Interface] | None = None) -> tuple[str, ...]:
    """Make the setting into IP addresses: a comma list of addresses and names of interfaces, in its order.

    The name of an interface means its addresses, but those of one link only where it has no others: they say nothing to
    who is not on that link. `here` is what this computer has, looked up if it is not given.
    Raises BadConfig, which lists what there is, for a name or an address that is not here, and for more than
    ADDRESSES_MAX addresses.
    """
    parts = [part.strip() for part in interface.split(",") if part.strip()]
    if here is None:
        here = () if all(on_loopback(part.strip("[]")) for part in parts) else interfaces()
    hosts = dict.fromkeys(host for part in parts for host in _hosts(part, here))
    if not hosts:
        raise _refused(interface, "It names no interface.", here)
    if len(hosts) > ADDRESSES_MAX:
        raise BadConfig(
            f"The setting interface names {len(hosts)} addresses.",
            why=f"A peer says at most {ADDRESSES_MAX} of them to the others.",
            do="Name the addresses that matter: " + ", ".join(list(hosts)[:ADDRESSES_MAX]),
        )
    return tuple(hosts)


def port_range(ports: str) -> range | None:
    """Make the setting into a range of ports, or None where any will do. Raises BadConfig."""
    if not ports:
        return None
    first, last = map(int, ports.split("-"))
    if 1 <= first <= last - PORTS_OF_A_PEER + 1 and last <= PORT_MAX:
        return range(first, last + 1)
    raise BadConfig(
        f"The setting ports cannot be {ports[:40]!r}.",
        why=f"A peer takes {PORTS_OF_A_PEER} ports, of 1 to {PORT_MAX}.",
        do="Give the first and the last, with room for all peers here: 7300-7399.",
    )


def _hosts(part: str, here: Sequence[Interface]) -> Iterator[str]:
    try:
        address = ipaddress.ip_address(part.strip("[]"))
    except ValueError:
        yield from _named(part, here)
        return
    if address.is_unspecified:
        raise _refused(part, "It means every address, also those of networks that come later.", here)
    if not address.is_loopback and str(address) not in [host for each in here for host in each.hosts]:
        raise _refused(part, "This computer does not have that address.", here)
    yield str(address)


def _named(name: str, here: Sequence[Interface]) -> Iterator[str]:
    for each in here:
        if each.name == name:
            wide = [host for host in each.hosts if not ipaddress.ip_address(host).is_link_local]
            yield from wide or each.hosts
            return
    raise _refused(name, "There is no interface of that name with an address.", here)


def _refused(part: str, why: str, here: Sequence[Interface]) -> BadConfig:
    listed = "; ".join(f"{each.name} ({', '.join(each.hosts)})" for each in here[:LISTED_MAX]) or "none"
    return BadConfig(
        f"The setting interface cannot be {part[:80]!r}.",
        why=why,
        do=f"Take a name or an address of this computer: {listed}.",
    )
