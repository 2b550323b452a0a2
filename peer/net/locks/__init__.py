"""Locked sockets: CURVE on every one, the ZAP responder that lets keys in, and the proof that strangers stay out."""
