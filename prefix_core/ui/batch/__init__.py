"""The tab "One batch": rows of several tasks in one pass through the frozen model."""
