"""Studies: scenarios, what came of them, sweeps over many, and the pictures."""
