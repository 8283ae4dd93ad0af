"""Streams into Postgres, each exactly once: Postgres itself keeps how far each stream is."""
