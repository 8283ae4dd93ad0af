"""Questions about what is in Postgres."""
