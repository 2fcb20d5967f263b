"""Reading ahead: order, bounds, errors carried over, and an end to the thread whatever the consumer does."""

import gc
import random
import threading
import time

import pytest

from sternpost.serve.read_ahead import read_ahead


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "sternpost-read-ahead"]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    end = time.monotonic() + 3
    while threads() and time.monotonic() < end:
        time.sleep(0.01)
    assert threads() == []


def counting(log, size=10**9):
    try:
        for number in range(size):
            log.append(number)
            yield number
    finally:
        log.append("closed")


@pytest.mark.parametrize("depth", [1, 2, 7])
@pytest.mark.parametrize("size", [0, 1, 2, 100])
def test_order(depth, size):
    log = []
    assert list(read_ahead(lambda: counting(log, size), depth)) == list(range(size))
    assert log == [*range(size), "closed"]


def test_never_far_ahead():
    log = []
    for number in read_ahead(lambda: counting(log, 200), 2):
        if number % 20 == 0:
            time.sleep(0.005)
        assert len([entry for entry in log if entry != "closed"]) <= number + 1 + 2 + 1


def test_it_is_really_beside():
    def slow():
        for number in range(10):
            time.sleep(0.03)
            yield number

    start = time.monotonic()
    for _ in read_ahead(slow, 2):
        time.sleep(0.03)
    assert time.monotonic() - start < 0.55, "0.6 s one after the other, 0.33 s beside each other"


class Odd(BaseException):
    """An exception that is no Exception."""


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, Odd])
def test_errors_arrive_after_what_came_before(kind):
    def failing():
        yield 1
        yield 2
        raise kind("here")

    seen = []
    with pytest.raises(kind, match="here"):  # noqa: PT012 - what was seen before counts
        for item in read_ahead(failing, 1):
            seen.append(item)
    assert seen == [1, 2]


def test_stopping_early_ends_the_thread():
    for consumed in (0, 1, 5):
        log = []
        running = read_ahead(lambda log=log: counting(log), 2)
        for _ in range(consumed):
            next(running)
        running.close()
        assert threads() == []
        assert not log or log[-1] == "closed"


def test_being_forgotten_ends_the_thread():
    log = []
    running = read_ahead(lambda: counting(log), 2)
    next(running)
    del running
    gc.collect()
    assert log[-1] == "closed"


def test_a_consumer_that_fails():
    log = []

    def consume():
        for item in read_ahead(lambda: counting(log), 2):
            if item == 3:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()
    gc.collect()
    assert log[-1] == "closed"


def test_many_at_once_in_random_time():
    rng = random.Random(5)
    waits = [rng.random() / 500 for _ in range(200)]

    def sleepy():
        for wait in waits:
            time.sleep(wait)
            yield wait

    for _ in range(3):
        seen = []
        for item in read_ahead(sleepy, 3):
            time.sleep(rng.random() / 500)
            seen.append(item)
        assert seen == waits


def test_a_producer_that_cannot_be_interrupted_is_left_behind(monkeypatch):
    monkeypatch.setattr("sternpost.serve.read_ahead._PATIENCE_SECONDS", 0.1)
    release = threading.Event()

    def stuck():
        yield 1
        release.wait(20)

    running = read_ahead(stuck, 1)
    assert next(running) == 1
    start = time.monotonic()
    running.close()
    assert time.monotonic() - start < 2
    release.set()
