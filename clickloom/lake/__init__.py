"""The lake: clicks and sessions as files by the hour, in a folder or a bucket, for DuckDB, Athena and Spark."""
