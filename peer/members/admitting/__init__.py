"""How others are let in: the desk that answers in an admitter's lobby, its register, and what people carry by hand."""
