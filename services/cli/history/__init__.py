"""History out of files straight into Postgres: what `clickloom import` does."""
