"""Synthetic traffic: the original system's events at a set rate, straight to the streams."""
