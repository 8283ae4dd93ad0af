"""What is set for a question before it is asked."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# Compiling takes longer than these queries do; a plan for whatever values there may be is none for these; and what a
# parallel worker hands on costs a tenth of what Postgres takes it to cost.
_SETTINGS = text(
    "SET LOCAL jit = off; SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL work_mem = '32MB';"
    " SET LOCAL parallel_tuple_cost = 0.01"
)


async def prepare(connection: AsyncConnection) -> None:
    """One snapshot for all that is asked from now on; the connection must be new."""
    await connection.execution_options(isolation_level="REPEATABLE READ")
    await connection.execute(_SETTINGS)
