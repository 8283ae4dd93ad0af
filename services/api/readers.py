"""Who asks: the read key of a request, or of the sign-in of its browser, and the sites that it opens."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from clickloom.access import AccessKey, Scope
from services.api.access import unknown_key
from services.api.problems import Problem, documented
from services.api.resources import resources_of
from services.api.sign_ins import COOKIE

_NEEDED = "this needs a read key: Authorization: Bearer clr_…; `clickloom keys create` makes one"
_ENDED = "this sign-in has ended; sign in again at /signin"
_FOREIGN = (
    "a signed-in browser may change or ask something so only from a page of this address; send the key in Authorization"
)
_SAFE = ("GET", "HEAD", "OPTIONS")
_Bearer = Annotated[
    HTTPAuthorizationCredentials | None,
    Depends(HTTPBearer(auto_error=False, scheme_name="read key", description="`clickloom keys create read` makes one")),
]
UNREADABLE = {
    **documented(401, _NEEDED),
    **documented(403, "this key is of the site shop, not of blog"),
}


async def key_of(request: Request, bearer: _Bearer) -> AccessKey | None:
    """The key in the request's header, or else of its sign-in; None without either. Raises Problem."""
    access = resources_of(request).access
    if access.off:
        return None
    if bearer is None:
        return await signed_in_key(request)
    key = access.find(bearer.credentials)
    if key is None:
        raise unknown_key("this key is not known, or was revoked")
    return key


Credentials = Annotated[AccessKey | None, Depends(key_of)]


async def signed_in_key(request: Request) -> AccessKey | None:
    """The key that the browser has signed in with; None if it has no cookie. Raises Problem: 401, 403 or 503."""
    text = request.cookies.get(COOKIE)
    if text is None:
        return None
    check_same_origin(request)
    key_id = await resources_of(request).sign_ins.key_id(text)
    key = None if key_id is None else resources_of(request).access.with_id(key_id)
    if key is None:
        raise unknown_key(_ENDED)
    return key


def check_same_origin(request: Request) -> None:
    """A cookie goes along with whatever page asks: one elsewhere must not do anything by it. Raises Problem: 403.

    Browsers say where a request comes from; what says neither is none. Only hosts are compared, for behind a proxy the
    scheme may be another.
    """
    if request.method in _SAFE:
        return
    site = request.headers.get("sec-fetch-site")
    host = urlsplit(request.headers.get("origin", "")).netloc
    same = site == "same-origin" if site is not None else host == request.headers.get("host")
    if not same:
        raise Problem(403, _FOREIGN)


def readable_sites(request: Request, key: Credentials) -> tuple[str, ...]:
    """The sites that the request's key may ask about; none means all. Raises Problem."""
    return sites_for(request, key, "read")


def sites_for(request: Request, key: AccessKey | None, scope: Scope) -> tuple[str, ...]:
    """The sites that the request's key opens for that; none means all. Raises Problem."""
    if resources_of(request).access.off:
        return ()
    if key is None:
        raise unknown_key(_NEEDED)
    if key.kind != "read":
        raise Problem(403, "a write key can only send events; ask with a read key")
    if scope not in key.scopes and "admin" not in key.scopes:
        raise Problem(403, f"this key has no scope {scope}; it has {', '.join(key.scopes)}")
    return key.sites


Readable = Annotated[tuple[str, ...], Depends(readable_sites)]


def one_site(sites: tuple[str, ...], site_id: str | None) -> str | None:
    """The site to ask about; None: all. Raises Problem if the key is not of it, or of several and none is named."""
    if not sites or site_id in sites:
        return site_id
    if site_id is not None:
        raise Problem(403, f"this key is of the site {' and '.join(sites)}, not of {site_id}")
    if len(sites) > 1:
        raise Problem(403, f"this key is of several sites: name one by site_id, of {', '.join(sites)}")
    return sites[0]


def allowed_sites(sites: tuple[str, ...], site_id: str | None) -> tuple[str, ...]:
    """The sites to ask about together; none: all. Raises Problem if the key is not of the one that is named."""
    if site_id is None:
        return sites
    if sites and site_id not in sites:
        raise Problem(403, f"this key is of the site {' and '.join(sites)}, not of {site_id}")
    return (site_id,)
