"""grpc.aio: one event loop that scores in the handler."""

from __future__ import annotations

import asyncio
import sys

import grpc
import loans_pb2
import loans_pb2_grpc

from benchmarks.load.peers.scorer import row_of, scorer, tell, told


async def main(onnx: str, address: str) -> None:
    score = scorer(onnx)

    class Loans(loans_pb2_grpc.LoansServicer):
        async def Score(self, request, context):
            return loans_pb2.Answer(score=score(row_of(request)))

    server = grpc.aio.server()
    loans_pb2_grpc.add_LoansServicer_to_server(Loans(), server)
    port = server.add_insecure_port(address)
    await server.start()
    tell(told(address, port))
    await server.wait_for_termination()


asyncio.run(main(*sys.argv[1:3]))
