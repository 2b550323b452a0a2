"""What a caller writes: join a market, announce tasks, follow them, and get results with their proofs."""
