"""Our service as grpcio knows it, for people who prefer grpcio to `sp.Client`. Needs the extra `grpc`.

Everything else here is generated from `proto/sternpost/v1` by `make generate`.
"""
