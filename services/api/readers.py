"""Who asks: the read key of a request, and the sites that it opens."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from clickloom.access import Scope
from services.api.access import unknown_key
from services.api.problems import Problem, documented
from services.api.resources import resources_of

_NEEDED = "this needs a read key: Authorization: Bearer clr_…; `clickloom keys create` makes one"
Credentials = Annotated[
    HTTPAuthorizationCredentials | None,
    Depends(HTTPBearer(auto_error=False, scheme_name="read key", description="`clickloom keys create read` makes one")),
]
UNREADABLE = {
    **documented(401, _NEEDED),
    **documented(403, "this key is of the site shop, not of blog"),
}


def readable_sites(request: Request, credentials: Credentials) -> tuple[str, ...]:
    """The sites that the request's key may ask about; none means all. Raises Problem."""
    return sites_for(request, credentials, "read")


def sites_for(request: Request, credentials: Credentials, scope: Scope) -> tuple[str, ...]:
    """The sites that the request's key opens for that; none means all. Raises Problem."""
    access = resources_of(request).access
    if access.off:
        return ()
    if credentials is None:
        raise unknown_key(_NEEDED)
    key = access.find(credentials.credentials)
    if key is None:
        raise unknown_key("this key is not known, or was revoked")
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
