"""The demo's shop: pages that carry the tracker, so that a person sees their own clicks become a session."""
