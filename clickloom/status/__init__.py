"""How the system fares: every stream and its readers, who serves them, and what is wrong."""
