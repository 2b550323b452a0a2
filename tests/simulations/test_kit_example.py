"""What a user writes to have an agent tested: this file is the example."""

from __future__ import annotations

from simulations.kit import market_machine
from tests.simulations.agents import honest

TestMyAgent = market_machine(honest).TestCase
