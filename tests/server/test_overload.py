"""More calls at once than may wait: each gets one answer, the scores are right, and the connection goes on."""

from __future__ import annotations

import os
import threading

import pytest

from sternpost.serve.shelf import politely
from tests.routes import loans
from tests.routes.replies import of_decision, of_reply
from tests.server import stubs
from tests.server.frames import RESET, Raw, frame, head, message
from tests.server.packing import packed
from tests.server.serving import serving

CALLS = 4000
OK, EXHAUSTED = 0, 8
ROW = loans.real_rows(1, 20260804)[0]
DESCRIBE = "/sternpost.v1.Scoring/Describe"


class Burst(Raw):
    """Calls are kept until they are flushed, and leave as one piece."""

    kept: bytes | None = None

    def send(self, data: bytes) -> None:
        if self.kept is None:
            super().send(data)
        else:
            self.kept += data

    def flush(self) -> None:
        data, self.kept = self.kept or b"", None
        # The answers must be read meanwhile, or both sides would wait for each other.
        threading.Thread(target=self.socket.sendall, args=(data,), daemon=True).start()


@pytest.mark.parametrize("given_up", [False, True])
def test_every_call_of_a_burst_gets_one_answer(loans_bundle, given_up):
    wanted = of_decision(loans_bundle.score(ROW))
    with serving(loans_bundle, threads=1, queue_rows=100) as server, Burst(server.addresses[0]) as raw:
        description = stubs.scoring().DescribeReply.FromString(raw.ask(head(DESCRIBE), message(b"")).data[5:])
        request = message(stubs.scoring().ScoreRequest(packed=packed(description, ROW)).SerializeToString())
        for _ in range(3):
            assert raw.ask(head(), request).code == OK
        raw.kept = b""
        streams = [raw.call(head(), request) for _ in range(CALLS)]
        if given_up:
            for stream in streams[::7]:
                raw.send(frame(RESET, 0, stream, (8).to_bytes(4, "big")))
        raw.flush()
        answers = [raw.answer(stream) for stream in (set(streams) - set(streams[::7]) if given_up else streams)]
        codes = {answer.code for answer in answers if answer.reset is None}
        assert codes == {OK, EXHAUSTED}
        for answer in answers:
            if answer.code == OK:
                assert of_reply(stubs.scoring().ScoreReply.FromString(answer.data[5:])) == wanted
            elif answer.code == EXHAUSTED:
                assert int(answer.headers["grpc-retry-pushback-ms"]) >= 1
                assert answer.headers["content-type"] == "application/grpc"
                assert answer.headers[":status"] == "200"
                assert "grpc-status-details-bin" in answer.headers
            else:
                assert answer.reset in (7, 5), "more streams at once than are taken: REFUSED_STREAM, and late data"
        # Far more than the streams that HTTP/2 takes at once were answered with gRPC's own status: at the door.
        assert sum(answer.code == EXHAUSTED for answer in answers) > 1000
        assert raw.ask(head(), request).code == OK


def test_a_bundle_is_opened_when_nothing_else_would_run():
    def standing() -> int:
        return os.sched_getscheduler(0)

    assert politely(standing, lambda: None) == os.SCHED_IDLE
    assert standing() == os.SCHED_OTHER or standing() == os.sched_getscheduler(os.getpid())


def test_a_bundle_that_waits_long_gets_a_share():
    promoted = threading.Event()

    def work() -> int:
        assert promoted.wait(20.0)
        return os.sched_getscheduler(0)

    def look() -> None:
        # Called after each look at the clock; the first one is past its time.
        looks.append(None)
        if len(looks) > 2:
            promoted.set()

    looks: list[None] = []
    if os.geteuid() != 0:
        pytest.skip("only root may raise a thread again")
    assert politely(work, look, idle_s=0.0) == os.SCHED_OTHER
