"""The simulated machine room: processes, disks, clocks, and the network between them, under one virtual time."""
