"""The watermark: the event time before which no more clicks are expected in a partition."""

import msgspec
import numpy as np

from clickloom.wire import Times

NEVER_US = -(2**62)  # the watermark before the first click


class Watermark(msgspec.Struct, array_like=True, gc=False):
    """Greatest event time seen minus the out-of-orderness bound; it never moves back.

    While nothing arrives, event time runs on with the wall clock from the last arrival, so that the last session
    of the night closes without another visitor, and a backfill that pauses is not declared over.
    """

    us: int = NEVER_US
    greatest_us: int = NEVER_US  # event time
    arrived_us: int = NEVER_US  # arrival clock, of the last batch

    def observe(self, times: Times, arrivals: Times, *, out_of_orderness_us: int, future_bound_us: int) -> None:
        """Clicks arrived. A time beyond the future bound counts as the bound: one wrong clock closes nothing."""
        self.arrived_us = max(self.arrived_us, int(arrivals.max()))
        self.greatest_us = max(self.greatest_us, int(np.minimum(times, arrivals + future_bound_us).max()))
        self.us = max(self.us, self.greatest_us - out_of_orderness_us)

    def idle(self, now_us: int, *, out_of_orderness_us: int) -> None:
        """Nothing has arrived up to `now_us`."""
        if self.greatest_us != NEVER_US and now_us > self.arrived_us:
            self.us = max(self.us, self.greatest_us - out_of_orderness_us + now_us - self.arrived_us)

    def advance(self, watermark_us: int) -> None:
        """The source itself says how far it is."""
        self.us = max(self.us, watermark_us)
