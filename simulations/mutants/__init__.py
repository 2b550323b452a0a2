"""Planted bugs of the protocol, and the suite that must find every one of them.

A suite that finds no planted bug proves nothing. Each mutant is one change of the production text, applied while the
module is imported in a process of its own; one whose text no longer fits fails loudly.
"""
