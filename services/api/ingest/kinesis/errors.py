"""Errors as AWS sends them, so that its SDKs retry what is worth it."""

from services.api.problems import Problem

_UNAVAILABLE = "ServiceUnavailableException"
THROTTLED = "ProvisionedThroughputExceededException"  # an SDK waits, and sends again


class AwsError(Exception):
    """Ends the request with this error."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def as_aws(problem: Problem, *, full: bool) -> AwsError:
    """A problem of our own in AWS' words.

    full: the stream takes nothing for want of memory.
    """
    if problem.status == 429 or (problem.status == 503 and full):
        return AwsError(THROTTLED, problem.detail)
    if problem.status == 503:
        return AwsError(_UNAVAILABLE, problem.detail, 503)
    return AwsError("RequestTimeoutException" if problem.status == 408 else "ValidationException", problem.detail)
