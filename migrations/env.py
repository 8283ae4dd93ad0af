"""Alembic's environment: one connection, one transaction."""

from alembic import context
from sqlalchemy import create_engine, pool

from clickloom.tables import metadata

engine = create_engine(context.config.attributes["url"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
