"""Events in: one module a protocol, and what they share."""
