"""Measuring a market on a network: how soon peers see each other, what a partition, a revocation and a flood cost.

figures     what was measured, what it may be at most, and whether it is
members     peers in processes of their own, on hosts; `member` is one of them
commands    a market over hosts, made by the commands that its users give
sight       first sight, the full mesh, and what a healed partition takes
revocation  how long a revoked member is still heard
flood       what a flooding member costs the others; `flooder` is one
curve       what the locks cost
command     `scripts/bench network`
"""
