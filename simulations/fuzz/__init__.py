"""Rubbish by the million at production code: what strangers, and members that lie, can put on the wire.

mutations  bytes, and trees of MessagePack, with one thing wrong in them
market     a small market with real keys, some of whose peers are bombarded, and that must still trade behind it
forge      what is thrown: made from what was really said there, sealed anew where that leads further
targets    where it goes in: a turn, a request, a page, a record, a file
run        the loop, with a bound on the time of each input and a look at memory
command    `scripts/fuzz`: a run in a process of its own, so that a crash and a hang are findings too
"""
