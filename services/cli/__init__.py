"""The `clickloom` command: composes the services and runs everything locally."""
