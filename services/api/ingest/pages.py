"""What a browser asks before it lets a page send: cross-origin resource sharing, by the origins of the write keys."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.access import AccessKeys

PREFLIGHT_HOLDS_S = 3600


class PagesMaySend(CORSMiddleware):
    """Only on the ways in; who may use which key is looked at when the events come."""

    def __init__(self, app: ASGIApp, *, access: AccessKeys, paths: frozenset[str]) -> None:
        super().__init__(
            app,
            allow_methods=["POST"],
            allow_headers=["Authorization", "Content-Type", "Content-Encoding"],
            expose_headers=["Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"],
            max_age=PREFLIGHT_HOLDS_S,
        )
        self._access = access
        self._paths = paths

    def is_allowed_origin(self, origin: str) -> bool:
        return self._access.any_allows_origin(origin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self._paths:
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)
