"""The returns desk of a shop, and the demo in which a market runs it.

`records`, `shop`, `facts`, `rules`, `generate` and `scenery` are plain computation over the shop's files, and refuse to
know about markets, peers and sockets. `agents`, `ledger` and `desk` are what a user of a market writes: five skills,
the sink of the irreversible one, and the manager that has each request decided. `stage`, `crew`, `play`, `view` and
`demo` put them on one computer as processes, and show how it went.
"""
