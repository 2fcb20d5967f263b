# syntax=docker/dockerfile:1
# Two stages: the first has the compilers and makes a wheel, the second has Python and that wheel.
# There is no server yet: the image runs the command line, e.g. batch scoring of a mounted folder.

FROM rust:1-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv python3-dev make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir 'maturin>=1.9.4,<2' \
    && /opt/build/bin/maturin build --release --locked --out /dist

FROM python:3.11-slim-bookworm
COPY requirements.lock /tmp/requirements.lock
COPY --from=build /dist/*.whl /tmp/
RUN pip install --no-cache-dir -c /tmp/requirements.lock /tmp/*.whl \
    && rm -rf /tmp/*.whl /tmp/requirements.lock \
    && useradd --create-home --uid 10001 sternpost
USER sternpost
WORKDIR /home/sternpost
HEALTHCHECK --interval=30s --timeout=10s CMD ["sternpost", "--version"]
ENTRYPOINT ["sternpost"]
CMD ["--help"]
