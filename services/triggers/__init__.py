"""The triggers: judges sessions as they close and while they are open, and sends the webhooks of what has fired."""
