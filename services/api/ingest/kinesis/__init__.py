"""The part of Amazon Kinesis Data Streams' API that producers use."""
