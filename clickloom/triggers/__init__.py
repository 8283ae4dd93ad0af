"""Triggers: rules over sessions, whose firings are sent as webhooks."""
