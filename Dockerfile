# syntax=docker/dockerfile:1
# Two stages: the first has the compilers and makes a wheel, the second has Python and that wheel.
# There is no server yet: the image runs the command line, e.g. batch scoring of a mounted folder.

FROM rust:1-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv python3-dev make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN make wheel

FROM python:3.11-slim-bookworm
WORKDIR /tmp/install
COPY requirements.lock ./
COPY --from=build /build/dist/*.whl ./
RUN pip install --no-cache-dir -c requirements.lock ./*.whl \
    && rm -rf /tmp/install \
    && useradd --create-home --uid 10001 sternpost
USER sternpost
WORKDIR /home/sternpost
HEALTHCHECK --interval=30s --timeout=10s CMD ["sternpost", "--version"]
ENTRYPOINT ["sternpost"]
CMD ["--help"]
