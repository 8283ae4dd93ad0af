"""Segment's HTTP Tracking API: what its clients send, as clicks."""
