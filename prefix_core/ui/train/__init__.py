"""The tab "Train": a visitor's own rows become a prefix while they watch."""
