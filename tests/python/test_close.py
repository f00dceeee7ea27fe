# SPDX-License-Identifier: Apache-2.0
"""Models closed while other threads open sessions on them and call: each session is freed once, and not
amid a call."""

import os
import random
import sys
import threading
import time
import weakref
from functools import partial

import numpy as np
import pytest

import libai
from libai._session import Session
from libai._task import OnModel

PACKAGE = os.path.dirname(libai.__file__)
X = [np.full((batch, 4), batch, np.float32) for batch in (1, 2, 5)]
WRITER = os.path.join(os.environ["AI_ZOO"], "charrnn.lai")


@pytest.fixture
def freed(monkeypatch):
    """Handles that were opened and those that were freed; no session may lose its own amid a call."""
    opened, freed = [], []

    def whole_call(session, plain):
        assert session.handle, "freed before the call"
        status = plain()
        assert session.handle, "freed amid the call"
        return status

    for kind in (Session, OnModel):
        def init(self, *arguments, begin=kind.__init__, **options):
            begin(self, *arguments, **options)
            opened.append(self.handle.value)
            if isinstance(self, Session):
                self._call.short = partial(whole_call, weakref.proxy(self), self._call._plain)

        def free(self, handle, end=kind._free):
            freed.append(handle.value)
            end(self, handle)
        monkeypatch.setattr(kind, "__init__", init)
        monkeypatch.setattr(kind, "_free", free)
    return opened, freed


def doubled(model, x=X[0]):
    """What a user of the model sees: the answer, or that it is closed."""
    try:
        assert (model(x) == 2 * x).all()
    except ValueError as error:
        assert str(error) == "model 'double' is closed"


def write(model):
    try:
        assert [character for _, character in zip(range(2), model.write(seed=1, start="山水"))] == ["山", "水"]
    except (ValueError, RuntimeError) as error:
        assert str(error).endswith("is closed")


def in_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def interrupted(place, function, meanwhile):
    """function(), with meanwhile() before its instruction of that number in the package; whether it has so
    many."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes = True
        if event in ("line", "opcode"):  # not every Python shows instructions
            count += 1
            if count == place:
                meanwhile()
        return trace

    sys._getframe().f_trace_opcodes = True  # from Python 3.12 on, settrace looks whether any frame has it
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(None)
    return count >= place


def at_each_instruction(make, function, by, freed):
    """function(one) with one closed at its first instruction, then at its second, and so on."""
    place, reached = 0, True
    while reached:
        place += 1
        one = make()
        reached = interrupted(place, partial(function, one), partial(by, one.close))
        one.close()
        assert sorted(freed[0]) == sorted(freed[1]), place
    assert place > 20


def with_session(path, x):
    model = libai.Model(path, threads=1)
    model(x)
    return model


BY = pytest.mark.parametrize("by", [in_thread, lambda close: close()], ids=["a thread", "a signal's handler"])


@BY
def test_a_model_closed_at_each_instruction(double, freed, by):
    """Of the first call, which opens a session, of one more, of one with another shape, of close itself."""
    at_each_instruction(partial(libai.Model, double, threads=1), doubled, by, freed)
    at_each_instruction(partial(with_session, double, X[0]), doubled, by, freed)
    at_each_instruction(partial(with_session, double, X[1]), doubled, by, freed)
    at_each_instruction(partial(with_session, double, X[1]), libai.Model.close, by, freed)


@BY
def test_a_writer_closed_at_each_instruction(freed, by):
    at_each_instruction(partial(libai.TextModel, WRITER, threads=1), write, by, freed)


def test_closed_by_many(double, freed):
    """Threads that call until it is closed, by some at once."""
    dice, wrong = random.Random(1), []

    def until_closed(model, end):
        try:
            while model._file:
                doubled(model, dice.choice(X))
            end.wait()  # while this thread lives its session does
            assert model._mine.session is None or not model._mine.session.handle
        except BaseException as error:
            wrong.append(error)
            raise

    for _ in range(50):
        model, end = libai.Model(double, threads=dice.choice([1, 2])), threading.Barrier(5)
        callers = [threading.Thread(target=until_closed, args=(model, end)) for _ in range(4)]
        closers = [threading.Thread(target=model.close) for _ in range(dice.choice([1, 2, 3]))]
        for thread in callers:
            thread.start()
        time.sleep(dice.choice([0, 0.002, 0.01]))
        for thread in closers:
            thread.start()
        for thread in closers:
            thread.join()
        end.wait(300)
        for thread in callers:
            thread.join()
    assert not wrong
    assert sorted(freed[0]) == sorted(freed[1])
