"""For schemathesis: what AWS' SDKs send is JSON under another name."""

import schemathesis

NAME = "application/x-amz-json-1.1"
schemathesis.serializer.alias(NAME, "application/json")
