"""Questions about the order of events: funnels, paths, retention."""
