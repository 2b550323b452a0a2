"""Who lives in a world: honest peers of every temper, and liars of every kind, each by name.

population.make(world, "forking-manager", "mallory")

A liar has a production node and a key of its own, and nothing else: it speaks past its node, keeps from it what it
should hear, or alters what it says. No honest peer needs to know, and nobody can sign for another.
"""

from simulations.population.kinds import KINDS, Kind, make

__all__ = ["KINDS", "Kind", "make"]
