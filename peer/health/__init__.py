"""Whether a peer lives, is ready, and how it does: told to its own user, by a socket in a private folder.

It refuses to know a rule of the market, and changes nothing: whoever asks only looks.
"""
