"""The tab "Compare": one input, several methods, their texts side by side."""
