"""`clickloom erase`: leave nothing of a person."""

from sqlalchemy.exc import OperationalError, ProgrammingError

from clickloom.connect import open_redis
from clickloom.database import open_database
from clickloom.erased import Erased
from clickloom.errors import ServerUnavailable
from clickloom.keys import Keys
from clickloom.settings import Settings
from services.api import persons
from services.api.ingest.privacy import Privacy


async def erase_person(settings: Settings, user: str, site: str | None, *, within_s: float) -> Erased:
    """Raises InvalidInput, and ServerUnavailable if a store or a reader is away."""
    privacy = Privacy(settings.user_id_salt.get_secret_value())
    engine = open_database(settings.database_url, application_name="clickloom-erase")
    try:
        async with open_redis(settings.redis_url) as redis:
            keys = Keys(settings.namespace)
            return await persons.erase_person(redis, engine, keys, privacy, user, site, within_s=within_s)
    except OperationalError as error:
        raise ServerUnavailable(f"PostgreSQL does not answer: {error.orig}; give the command again") from error
    except ProgrammingError as error:
        raise ServerUnavailable(f"PostgreSQL refuses it: {error.orig}; is the schema this version's?") from error
    finally:
        await engine.dispose()
