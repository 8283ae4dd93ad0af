"""Who brings events, by the names that `rejected_events.source` has."""

HTTP = "http"
TRACKER = "tracker"
PIXEL = "pixel"
SEGMENT = "segment"
KINESIS = "kinesis"
