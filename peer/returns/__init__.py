"""The returns desk of a shop: its records, its rules, and made-up shops to try them on.

Everything here is plain computation over the shop's files. It refuses to know about markets, peers and sockets: the
desk's agents run `rules`, and whoever calls them carries the decisions back into a `Shop`.
"""
