"""`vendue sim`: the simulator in a shell."""
