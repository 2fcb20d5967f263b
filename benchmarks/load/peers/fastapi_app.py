"""FastAPI on uvicorn, one worker; JSON over HTTP/1.1."""

from __future__ import annotations

import asyncio
import socket
import sys

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.load.peers.scorer import scorer, tell


class Application(BaseModel):
    """One row."""

    income: float | None
    requested: float
    debt: float | None
    credit_limit: float
    credit_used: float
    rate: float
    payment: float
    deposit: float | None
    savings: float | None
    balance_mean: float
    balance_low: float
    years_employed: float
    age: int | None
    dependants: int
    accounts: int
    inquiries: int
    home: str
    purpose: str
    sector: str | None
    region: str


async def main(onnx: str, address: str) -> None:
    app, score = FastAPI(), scorer(onnx)

    @app.post("/score")
    async def answer(row: Application) -> dict[str, float]:
        return {"score": score(row.__dict__)}

    # Said to be TCP, as uvicorn's own sockets are: else the event loop leaves TCP_NODELAY off, and every answer
    # waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", int(address.rsplit(":", 1)[1])))
    listener.listen(1024)
    tell(f"127.0.0.1:{listener.getsockname()[1]}")
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    await uvicorn.Server(config).serve(sockets=[listener])


asyncio.run(main(*sys.argv[1:3]))
