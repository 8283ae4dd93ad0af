"""Clicks into sessions: one owner a partition and window, one atomic commit at a time."""
