"""Every promise of the market, once: used by the simulator, by hypothesis, and over the journals of real processes."""
