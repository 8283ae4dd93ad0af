"""Live streams as server-sent events: numbers, sessions, clicks."""
