"""How good a text is, and how sure one can be of it."""
