"""How a computer comes into a market: by founding one, by a code, by a person's hand, or by taking a seat."""
