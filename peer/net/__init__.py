"""Bytes between peers: sockets, fetch, and the ways to find each other. No statement is known here."""
