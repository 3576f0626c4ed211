"""From an input to its text, token by token."""
