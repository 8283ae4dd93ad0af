"""Events as the API's description shows them."""

METRICS = """event: metrics
data: {"second":"2026-11-25T19:46:12Z","at":"2026-11-25T19:46:12.250000Z","complete":false}
id: 1795635972250

"""
SESSIONS = METRICS
CLICKS = METRICS
