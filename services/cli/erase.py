"""`clickloom erase`: leave nothing of a person."""

from dataclasses import astuple

from sqlalchemy.exc import OperationalError, ProgrammingError

from clickloom.connect import open_database, open_redis
from clickloom.erased import Erased
from clickloom.erasure import erase, person_of
from clickloom.errors import ServerUnavailable
from clickloom.keys import Keys
from clickloom.settings import Settings
from services.api.ingest.privacy import Privacy


async def erase_person(settings: Settings, user: str, site: str | None, *, within_s: float) -> Erased:
    """Raises InvalidInput, and ServerUnavailable if a store or a reader is away."""
    persons = [person_of(form, site) for form in _forms(settings, user)]
    engine = open_database(settings.database_url, application_name="clickloom-erase")
    try:
        async with open_redis(settings.redis_url) as redis:
            keys = Keys(settings.namespace)
            erased = [await erase(redis, engine, keys, person, within_s=within_s) for person in persons]
            return Erased(*map(sum, zip(*map(astuple, erased), strict=True)))
    except OperationalError as error:
        raise ServerUnavailable(f"PostgreSQL does not answer: {error.orig}; give the command again") from error
    except ProgrammingError as error:
        raise ServerUnavailable(f"PostgreSQL refuses it: {error.orig}; is the schema this version's?") from error
    finally:
        await engine.dispose()


def _forms(settings: Settings, user: str) -> list[str]:
    """As the id is given, in which rejected events and replayed files have it; and as ingest keeps it, if it hashes."""
    privacy = Privacy(settings.user_id_salt.get_secret_value())
    return list(dict.fromkeys([user, privacy.hashed(user)]))
