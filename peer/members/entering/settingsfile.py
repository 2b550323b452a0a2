"""Writing the settings of a market, `market.toml`: what `vendue init` and `vendue join` found out."""

from __future__ import annotations

from collections.abc import Sequence


def settings_text(*, interface: str | None, ports: str = "", seeds: Sequence[str] = ()) -> str:
    """Write the file. The values fit their settings, which leave no room for a quotation mark."""
    lines = ["# What holds for this market alone. Flags, the environment and vendue.toml win over it."]
    if interface is not None:
        lines.append(f'interface = "{interface}"')
    else:
        lines.append('# interface = "eth0"    # where others can reach this computer; without it only itself can')
    if ports:
        lines.append(f'ports = "{ports}"')
    if seeds:
        lines.append("# Who is asked first, besides those found by multicast.")
        lines.append("seeds = [" + ", ".join(f'"{seed}"' for seed in seeds) + "]")
    return "\n".join(lines) + "\n"
