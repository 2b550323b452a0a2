"""The peers of one host: written down in one TOML file, started together, watched over, and stopped together.

It refuses to know the market: a peer is a process here, which lives, is ready, or has ended.
"""
