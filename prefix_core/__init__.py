"""Prefix-Tuning (Li & Liang 2021): steer a frozen language model by a small learned prefix."""
