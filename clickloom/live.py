"""What live streams are made of, and how long it is kept: the sessionizer keeps it, the API counts on it."""

from clickloom.times import MINUTE_US

TICK_MS = 250  # stream time is cut into ticks of this length: all entries whose ids lie in one of them
METRICS_KEPT_US = 10 * MINUTE_US
ACTIVE_MINUTES = (5, 30)  # the running one and those before it, of which active users are told
ACTIVE_KEPT_US = (max(ACTIVE_MINUTES) + 1) * MINUTE_US
