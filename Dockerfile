# syntax=docker/dockerfile:1
# One image for every role: `keyfold run`, or one of `keyfold ingest|serve|lake` per container.

FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/keyfold
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# The dependencies first: they change less often than the code.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN mkdir keyfold ingest serving lake \
    && touch keyfold/__init__.py ingest/__init__.py serving/__init__.py lake/__init__.py \
    && /opt/keyfold/bin/pip install -c constraints.txt . \
    && /opt/keyfold/bin/pip uninstall -y keyfold
COPY . .
RUN /opt/keyfold/bin/pip install --no-deps . && /opt/keyfold/bin/keyfold version

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home --home-dir /home/keyfold keyfold \
    && install -d -o keyfold -g keyfold /data /pipeline
COPY --from=build /opt/keyfold /opt/keyfold
# A container listens on all of its addresses; what reaches it is decided outside.
ENV PATH=/opt/keyfold/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    KEYFOLD_DATA_DIR=/data \
    KEYFOLD_HOST=0.0.0.0 \
    KEYFOLD_PORT=8080 \
    KEYFOLD_LOG_FORMAT=json
USER keyfold
WORKDIR /pipeline
VOLUME /data
EXPOSE 8080
# For roles that serve; `keyfold ingest` and `keyfold lake` listen to nothing: disable it there.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['KEYFOLD_PORT']}/healthz\", timeout=4).read()"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["keyfold"]
CMD ["--help"]
