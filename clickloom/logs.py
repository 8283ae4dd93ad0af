"""Logs: events with fields on standard error, as JSON or for people; the libraries' own logs too."""

import logging
import sys

import structlog
from structlog.dev import Column, ConsoleRenderer, KeyValueColumnFormatter, plain_traceback
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor


def configure_logs(*, log_format: str, log_level: str, service: str) -> None:
    """`json`: whole, an object a line. `console`: short, for one's own terminal, where a prefix names the service."""
    structlog.contextvars.clear_contextvars()
    if log_format == "json":
        structlog.contextvars.bind_contextvars(service=service)
        seen_as: list[Processor] = [structlog.processors.TimeStamper(fmt="iso"), structlog.processors.format_exc_info]
        renderer: Processor = structlog.processors.JSONRenderer()
    else:
        seen_as = [structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)]
        renderer = _console()
    enrich: list[Processor] = [structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, *seen_as]
    structlog.configure(
        processors=[*enrich, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[log_level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    _take_in_libraries(enrich, renderer)


def _console() -> ConsoleRenderer:
    plain = KeyValueColumnFormatter(key_style=None, value_style="", reset_style="", value_repr=str)
    return ConsoleRenderer(
        columns=[
            Column("timestamp", plain),
            Column("level", lambda _, value: "" if value == "info" else str(value).upper()),
            Column("event", plain),
            Column("", KeyValueColumnFormatter(key_style="", value_style="", reset_style="", value_repr=str)),
        ],
        exception_formatter=plain_traceback,
    )


def _take_in_libraries(enrich: list[Processor], renderer: Processor) -> None:
    """What libraries say through `logging` and `warnings`, in the same form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(foreign_pre_chain=enrich, processors=[ProcessorFormatter.remove_processors_meta, renderer])
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
