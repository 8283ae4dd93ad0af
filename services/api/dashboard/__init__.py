"""The dashboard: pages and scripts, and signing in. What it shows it asks the API for, as everybody does."""
