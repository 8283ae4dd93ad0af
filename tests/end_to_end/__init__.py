"""Whole processes on real servers."""
