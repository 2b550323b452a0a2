"""What others do on our wires: whose each connection is, how much each member may send, and who is kept out."""
