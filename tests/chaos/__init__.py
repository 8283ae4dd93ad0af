"""The whole system under faults, and an exact verdict in the end: `make chaos`."""
