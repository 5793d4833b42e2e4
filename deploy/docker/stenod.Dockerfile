# stenod with a Triton of its own and its default model, for a CPU. Build it from the root of the repository:
#   docker build -t stenod -f deploy/docker/stenod.Dockerfile .
# LOCK says what is in it: `cluster` (PostgreSQL and traces too), `runtime` (one node alone), or `export`, which can also
# build models out of checkpoints: torch for CPUs and transformers come along.
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 UV_NO_CACHE=1 VIRTUAL_ENV=/opt/stenod
WORKDIR /build
ARG LOCK=cluster
COPY requirements/uv.txt requirements/runtime.lock requirements/cluster.lock requirements/export.lock requirements/
RUN python -m venv /opt/stenod \
 && /opt/stenod/bin/python -m pip install --quiet -r requirements/uv.txt \
 && /opt/stenod/bin/uv pip install --require-hashes --torch-backend cpu -r requirements/${LOCK}.lock
COPY pyproject.toml README.md LICENSE ./
COPY server server
COPY clients/python clients/python
COPY model_repository model_repository
RUN /opt/stenod/bin/uv pip install --no-deps . \
 && PATH="/opt/stenod/bin:$PATH" stenod models add --models-dir /opt/models silero-vad \
 && PATH="/opt/stenod/bin:$PATH" stenod models add --models-dir /opt/models moonshine-tiny-en \
 && PATH="/opt/stenod/bin:$PATH" stenod models add --models-dir /opt/models voices

FROM python:3.11-slim-bookworm
COPY --from=build /opt/stenod /opt/stenod
COPY --from=build /opt/models /opt/models
COPY deploy/docker/entrypoint /usr/local/bin/stenod-entrypoint
# The environment comes first on PATH: the Python backend of Triton runs the first `python3` that it finds there.
ENV PATH=/opt/stenod/bin:$PATH \
    HOME=/var/lib/stenod \
    STENOD_DATA_DIR=/var/lib/stenod \
    STENOD_MODELS_DIR=/opt/models
RUN groupadd --gid 10001 stenod \
 && useradd --uid 10001 --gid stenod --home-dir /var/lib/stenod --create-home stenod
WORKDIR /var/lib/stenod
EXPOSE 18000 50051 9090
# No USER: the entry point hands a mounted volume over to the user 10001 and goes on as that one. Started as another
# user (`docker run --user 10001`, `runAsUser`), it does so from the first line.
ENTRYPOINT ["stenod-entrypoint"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s CMD ["stenod", "health"]
