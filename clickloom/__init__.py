"""Clickloom's library: what the services share. It imports no service."""
