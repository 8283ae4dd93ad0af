"""A proxy that ends TLS, and is believed."""

from starlette.types import ASGIApp, Receive, Scope, Send


def secure(app: ASGIApp) -> ASGIApp:
    async def before(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "scheme": "https"} if scope["type"] == "http" else scope, receive, send)

    return before
