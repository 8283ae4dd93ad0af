"""The dashboard's files, out of this package, and the chart library's, out of its wheel."""

from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable

from services.api.served_files import MEDIA_TYPES, ServedFile, made_of, read_file

_STATIC = files("services.api.dashboard") / "static"
PAGES = ("index.html", "signin.html")
CHARTS_VERSION = version("plotly")


def _found(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _found(entry, f"{prefix}{entry.name}/")
        elif f".{entry.name.rpartition('.')[2]}" in MEDIA_TYPES and entry.name not in PAGES:
            yield f"{prefix}{entry.name}", entry


@cache
def app_files() -> dict[str, ServedFile]:
    """Scripts and styles by their path under /app/."""
    return {path: read_file(entry) for path, entry in _found(_STATIC)}


@cache
def charts() -> ServedFile:
    """plotly.min.js: 4.8 MB, packed once, in a quarter of a second, when it is first asked for."""
    return read_file(files("plotly") / "package_data" / "plotly.min.js")


@cache
def page(name: str, **told: str) -> ServedFile:
    """A page with what the server knows in place of `{{name}}`. The values are the server's own, never a visitor's."""
    text = (_STATIC / name).read_text("utf-8")
    for what, value in told.items():
        text = text.replace(f"{{{{{what}}}}}", value)
    return made_of(text.encode(), "text/html")
