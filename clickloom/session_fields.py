"""What is told of a session's columns, as SQL: whoever counts sessions and whoever asks for them mean the same."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Integer, case, cast, func, literal_column
from sqlalchemy.dialects.postgresql import ARRAY

from clickloom.durations import BOUNDS_S

_BOUNDS = f"ARRAY[{', '.join(map(str, BOUNDS_S))}]"


def entry_page(table: FromClause) -> ColumnElement[Any]:
    """Without host, query and fragment: `/products/7` of `https://shop.example/products/7?utm_source=letter`."""
    url = table.c.entry_url
    # Nearly all are of this kind, of which a regular expression would take ten times as long.
    plain = func.split_part(func.split_part(url, "#", 1), "?", 1)
    slash = func.strpos(func.substr(plain, len("https://") + 1), "/")
    path = case((slash == 0, "/"), else_=func.substr(plain, slash + len("https://")))
    any_other = func.substring(url, "^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?(?://[^/?#]*)?([^?#]*)")
    some = func.coalesce(func.nullif(any_other, ""), case((url.is_not(None), "/")))
    return case((url.like("https://_%") | url.like("http://_%"), path), else_=some)


def referrer_host(table: FromClause) -> ColumnElement[Any]:
    """`google.com` of `https://www.google.com/search`."""
    return func.lower(func.substring(table.c.referrer, "^[a-zA-Z][a-zA-Z0-9+.-]*://(?:www\\.)?([^/?#:]+)"))


def class_number(table: FromClause) -> ColumnElement[int]:
    """What `class_of` gives (clickloom/durations.py), from 1 on."""
    return func.width_bucket(table.c.duration_sec, cast(literal_column(_BOUNDS), ARRAY(Integer)), type_=Integer)


def duration_class(table: FromClause) -> ColumnElement[int]:
    """The least duration of the session's class, in seconds."""
    bounds: ColumnElement[Any] = literal_column(f"({_BOUNDS})", ARRAY(Integer))
    return bounds[class_number(table)]
