"""`POST /v1/paths`: what sessions do after an event, or before it, as nodes and links of a Sankey diagram."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from services.api.analysis.examples import PATHS, PATHS_ANSWER
from services.api.analysis.flows import Flow, Kind, Links, Nodes, Pair, nodes_and_links, pairs_statement
from services.api.analysis.scope import PROBLEMS, ScopeRequest, Text, resolved, scope_of
from services.api.problems import wrong_parameter
from services.api.query.snapshot import prepare
from services.api.query.windows import read_as_of
from services.api.readers import Readable
from services.api.resources import resources_of

router = APIRouter(tags=["query"])


class PathsRequest(ScopeRequest):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": PATHS})

    from_: Text | None = Field(None, alias="from", description="an event: what comes after its first time in a session")
    to: Text | None = Field(None, description="an event: what comes before it. Of neither: from a session's begin on")
    levels: int = Field(3, ge=1, le=10, description="how many events further")
    most: int = Field(10, ge=1, le=100, description="events of a level that are nodes; the rest of it is one, `other`")
    collapse_repeats: bool = Field(False, description="an event that comes again at once is one")


class NodeAnswer(BaseModel):
    id: str
    level: int = Field(description="0 is where it begins; of `to`, level 1 is the event before")
    kind: Kind = Field(
        description="event; other: the events that are no node of their own; exit: the session ended; entry: it began"
        " (of `to`); cut: it had more than 100 events, of which no more are kept"
    )
    event: str | None = Field(None, description="null of all other kinds")
    sessions: int


class LinkAnswer(BaseModel):
    source: str = Field(description="a node's id; of `to` the later one is the source")
    target: str
    sessions: int


class PathsAnswer(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": PATHS_ANSWER})

    sessions: int = Field(description="that begin at level 0")
    nodes: list[NodeAnswer] = Field(description="by level, most sessions first")
    links: list[LinkAnswer] = Field(description="most sessions first")
    as_of: datetime | None = Field(description="the watermark: complete up to here")
    query: dict[str, JsonValue] = Field(description="the question with all that was left out")


@router.post("/v1/paths", summary="What comes after an event, or before it", responses=PROBLEMS)
async def ask_paths(request: Request, sites: Readable, paths: PathsRequest) -> PathsAnswer:
    """The next events, level by level, of each session from the event's first time on; of `to` those before it."""
    resources = resources_of(request)
    scope = scope_of(paths, resources, sites, datetime.now(UTC))
    flow = flow_of(paths)
    async with resources.engine.connect() as connection:
        await prepare(connection)
        as_of = await read_as_of(connection, resources, paths.window)
        rows = (await connection.execute(pairs_statement(scope, flow))).all()
    nodes, links = nodes_and_links((Pair(*row) for row in rows), flow, paths.most)
    return PathsAnswer(
        sessions=sum(sessions for node, sessions in nodes.items() if node.level == 0),
        nodes=_nodes(nodes),
        links=_links(links),
        as_of=as_of,
        query=resolved(paths, scope),
    )


def flow_of(paths: PathsRequest) -> Flow:
    """Raises Problem."""
    if paths.from_ is not None and paths.to is not None:
        raise wrong_parameter("to", "either `from` or `to`, not both; a funnel is from one event to another")
    return Flow(
        paths.from_ if paths.to is None else paths.to, paths.to is not None, paths.levels, paths.collapse_repeats
    )


def _nodes(nodes: Nodes) -> list[NodeAnswer]:
    ordered = sorted(nodes, key=lambda node: (node.level, -nodes[node], node.id))
    return [NodeAnswer(id=node.id, sessions=nodes[node], **node._asdict()) for node in ordered]


def _links(links: Links) -> list[LinkAnswer]:
    ordered = sorted(links, key=lambda link: (link[0].level, -links[link], link[0].id, link[1].id))
    return [
        LinkAnswer(source=source.id, target=target.id, sessions=links[source, target]) for source, target in ordered
    ]
