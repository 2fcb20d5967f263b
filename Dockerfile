# syntax=docker/dockerfile:1
# Two stages: the first has the compilers and makes a wheel, the second has Python and that wheel.
# It serves the bundles of a mounted folder, e.g. -v ./bundles:/bundles; any other verb of the command line runs too.

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
EXPOSE 8500 8501
# Ready means that every thread has just scored a golden row.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/readyz', timeout=2)"]
ENTRYPOINT ["sternpost"]
# Inside of a container the network is the container's own; give certificates, or put what guards the port in front of it.
CMD ["serve", "/bundles", "--listen", "0.0.0.0:8500", "--insecure"]
