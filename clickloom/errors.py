"""The errors, each with one meaning for the loop that meets it: reject, wait, or stop."""


class ClickloomError(Exception):
    """The root: catch it only at a process's outermost edge."""


class RejectedInput(ClickloomError):
    """This input is no click. Reject it with `code` and the message, keep its neighbours, go on."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class UndecodableEntry(ClickloomError):
    """A stream entry that no version of this software wrote. Keep it as rejected, go on."""


class UnknownVersion(ClickloomError):
    """A stream entry or stored state of a newer version. Stop: going on would lose it."""


class Fenced(ClickloomError):
    """The lease is no longer ours: nothing was written. Let the partition go."""


class InvalidSetting(ClickloomError):
    """A setting or argument that cannot work. Stop before anything starts."""


class InvalidInput(ClickloomError):
    """A file of which nothing can be used. Stop with the remedy."""


class ServerUnavailable(ClickloomError):
    """A store or a port that the process needs is not there. Stop with the remedy."""
