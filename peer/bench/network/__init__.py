"""Measuring a market on a network: how soon peers see each other, what a partition, a revocation and a flood cost.

figures    what was measured, what it may be at most, and whether it is
members    peers in processes of their own, on hosts, that say when they see whom
sight      first sight, the full mesh, and what a healed partition takes
command    `scripts/bench network`
"""
