"""Windows: how clicks become sessions. Pure: no clock, no I/O; time and input are arguments."""
