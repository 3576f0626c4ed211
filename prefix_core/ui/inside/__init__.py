"""The tab "Look inside": where a prefix's vectors lie among the model's own tokens."""
