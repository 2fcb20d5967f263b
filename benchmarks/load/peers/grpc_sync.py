"""grpcio with a pool of four threads."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import loans_pb2
import loans_pb2_grpc

from benchmarks.load.peers.scorer import row_of, scorer, tell, told


def main(onnx: str, address: str) -> None:
    score = scorer(onnx)

    class Loans(loans_pb2_grpc.LoansServicer):
        def Score(self, request, context):
            return loans_pb2.Answer(score=score(row_of(request)))

    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    loans_pb2_grpc.add_LoansServicer_to_server(Loans(), server)
    port = server.add_insecure_port(address)
    server.start()
    tell(told(address, port))
    server.wait_for_termination()


main(*sys.argv[1:3])
