"""What is true: the market's rules as pure functions and pure state machines.

Nothing in this package opens a socket or a file, reads a clock, starts a thread, writes a log or draws a random
number. Time and randomness arrive as values; what should happen leaves as values. The reading order of the modules
is the import contract in ``setup.cfg``; the normative text is ``SPEC.md`` beside this file.
"""
