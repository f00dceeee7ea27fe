# SPDX-License-Identifier: Apache-2.0
"""Threads, forks, pickles and signals: a model serves them all or says why not."""

import contextlib
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import libai

PHOTO = os.path.join(os.environ["AI_SOURCE"], "tests", "data", "chelsea.png")
WRITER = os.path.join(os.environ["AI_ZOO"], "charrnn.lai")
ONE = np.ones((1, 2), np.float32)
WIDE = np.zeros((4096, 512), np.float32)


def in_thread(function):
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def wait_for_call(model, thread):
    """Until the thread is in a call."""
    while not any(session._is_busy for session in model._sessions.copy()):
        assert thread.is_alive(), "its call is over already"
        time.sleep(0.001)


def in_child(function):
    """What function says in a child of fork, within two minutes."""
    ends = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(ends[1], repr(function()).encode())
        except BaseException as error:
            os.write(ends[1], repr(error).encode())
        os._exit(0)
    os.close(ends[1])
    for _ in range(12_000):
        if os.waitpid(child, os.WNOHANG)[0]:
            break
        time.sleep(0.01)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the child hangs")
    with os.fdopen(ends[0]) as pipe:
        return pipe.read()


# ---- Threads ----

def test_a_session_a_thread(adder):
    with libai.Model(adder) as model:
        assert model(ONE)[0, 0] == 1 and model(ONE)[0, 0] == 2
        assert in_thread(lambda: model(ONE)[0, 0]) == 1
        assert len(list(model._sessions)) == 1  # that of the thread went with it
        assert model(ONE)[0, 0] == 3


def test_threads_compute_at_once(slow):
    """No lock holds a call back until another is done: one begins and ends within the main thread's,
    which only then is told to end."""
    done = []

    def work():
        wait_for_call(model, threading.main_thread())
        done.append(model(WIDE[:1]).shape)
        os.kill(os.getpid(), signal.SIGINT)

    with libai.Model(slow, threads=1, cpu="ref") as model:
        thread = threading.Thread(target=work)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            model(WIDE[:128])  # a minute
        thread.join()
    assert done == [(1, 512)]


def test_close_waits_for_calls(slow):
    model = libai.Model(slow, threads=1)
    done = []
    thread = threading.Thread(target=lambda: done.append(model(WIDE[:512]).shape))
    thread.start()
    wait_for_call(model, thread)
    model.close()
    thread.join()
    assert done == [(512, 512)]


# ---- Forks ----

def test_fork(adder):
    with libai.Model(adder) as model:
        model(ONE)
        assert in_child(lambda: model(ONE)[0, 0].item()) == "2.0"
        assert in_child(lambda: in_thread(lambda: model(ONE)[0, 0].item())) == "1.0"
        assert in_child(model.close) == "None"
        assert model(ONE)[0, 0] == 2


def test_fork_while_another_thread_computes(slow):
    with libai.Model(slow, threads=2) as model:
        thread = threading.Thread(target=model, args=(WIDE[:1024],))
        thread.start()
        wait_for_call(model, thread)
        assert in_child(lambda: model(WIDE[:1]).shape) == "(1, 512)"
        assert in_child(model.close) == "None"
        thread.join()


def test_fork_while_a_classifier_is_busy(double):
    """What has one session for all threads says so."""
    with libai.Handler(double) as handler:
        said = handler.take_turn(in_child, lambda: handler({}))
        assert "was in a call of another thread at the fork" in said
        assert in_child(lambda: list(handler({}))) == "['error']"  # idle at the fork: it answers


CALLS = """
import sys
import numpy as np, libai
found = []
class Finder:
    def find_spec(name, *_): found.append(name)
sys.meta_path.insert(0, Finder)
with libai.Model(sys.argv[1]) as model:
    model(np.ones((1, 4), "f4"))
    model._repr_html_(), model.steps, model.resources
print([name for name in found if name.startswith("libai")])
"""


def test_calls_import_nothing(double):
    """An exception of a signal's handler amid an import leaves Python's lock on imports taken, for ever:
    every import and fork of other threads then hangs."""
    assert ended(CALLS, double) == "[]\n"


def test_misuse(double):
    """Threads, forks, closing and signals at random; `misuse.py MODEL WRITER 60` goes on for longer."""
    script = os.path.join(os.path.dirname(__file__), "misuse.py")
    done = subprocess.run([sys.executable, script, double, WRITER, "3"], capture_output=True,
                          text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-3000:]


# ---- The end of the interpreter ----

DAEMONS = """
import sys, threading, time
import numpy as np, libai
model = libai.Model(sys.argv[1], threads=2)
handler, writer = libai.Handler(sys.argv[2]), libai.TextModel(sys.argv[2])
x = np.zeros((256, 512), np.float32)
def forever(function):
    while True:
        function()
for function in (lambda: model(x), lambda: handler({"seed": 1}), lambda: list(writer.write()),
                 lambda: libai.Model(sys.argv[1])(x[:1])):
    threading.Thread(target=forever, args=(function,), daemon=True).start()
time.sleep(float(sys.argv[3]))
print("ends")
"""
LEFT = """
import sys
import numpy as np, libai
class Cycle:  # found by the collector only
    def __del__(self):  # maybe where nothing can be imported any more
        try:
            self.model(self.x)
        except ImportError:
            pass
        self.model.close()
one = Cycle()
one.self, one.model, one.x = one, libai.Model(sys.argv[1]), np.ones((1, 4), "f4")
one.kinds = [libai.Handler(sys.argv[2]), libai.TextModel(sys.argv[2])]
one.text = one.kinds[1].write()
next(one.text)
libai.kept = libai._model.kept = sys.modules["kept"] = one.kinds, libai.Model(sys.argv[1])
{}
"""


def ended(script, *arguments):
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", script, *map(str, arguments)],
                          capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("seconds", [0, 0.03, 0.1, 0.3])
def test_exit_with_daemons_in_calls(slow, seconds):
    """Python takes their lock away where they stand; models are freed, or not, beneath them."""
    assert ended(DAEMONS, slow, WRITER, seconds) == "ends\n"


@pytest.mark.parametrize("last", ["", "del one", "import gc; gc.disable(); del one", "sys.exit()"])
def test_exit_in_any_order(double, last):
    ended(LEFT.format(last), double, WRITER)


# ---- Pickles ----

def test_pickle(double, tmp_path):
    path = shutil.copy(double, tmp_path / "m.lai")
    model = libai.Model(os.path.relpath(path), threads=1, cpu="ref")
    data = pickle.dumps(model)
    assert len(data) < 1000
    other = pickle.loads(data)
    x = np.ones((3, 4), np.float32)
    assert (other(x) == model(x)).all() and (other._threads, other._cpu) == (1, model._cpu)


def test_pickle_refuses_another_file(double, adder, tmp_path):
    path = shutil.copy(double, tmp_path / "m.lai")
    data = pickle.dumps(libai.Model(path))
    os.replace(shutil.copy(adder, tmp_path / "other.lai"), path)
    with pytest.raises(ValueError, match="model has digest [0-9a-f]{64}, needed is"):
        pickle.loads(data)
    os.remove(path)
    with pytest.raises(libai.Error, match="no such file"):
        pickle.loads(data)


def total(model):
    return float(model(np.ones((1, 4), np.float32)).sum())


def fail(path):
    libai.Model(path)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(double, method):
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.map(total, [libai.Model(double)] * 2) == [8, 8]
        with pytest.raises(libai.Error) as caught:  # it comes back whole
            pool.apply(fail, ("none.lai",))
    assert (caught.value.code, caught.value.path) == ("AI_E_IO", "none.lai")


# ---- Signals ----

INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np, libai
{0}
call()
begin = time.process_time()
call()
whole = time.process_time() - begin
signal.signal(signal.SIGPROF, signal.default_int_handler)
begin = time.process_time()
try:
    signal.setitimer(signal.ITIMER_PROF, whole / 3)
    call()
    print("not interrupted")
except KeyboardInterrupt:
    print(whole, time.process_time() - begin)
call()
"""
MODEL = """
x = np.ones((1024, 512), np.float32)
model = libai.Model(sys.argv[1], threads=1)
expected = model(x)
def call(): assert (model(x) == expected).all()
"""
PICTURES = """
import base64
photo = open(sys.argv[2], "rb").read()
kind = getattr(libai, {0!r})(sys.argv[1], threads=1, cpu="ref")
def call(): kind(photo)
"""


def interrupted(what, *arguments):
    """A call is ended by a signal after a third of what a whole one computes, within a step of some
    dozens; another then works. The processor's time is what counts, which other programs do not
    lengthen."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED.format(what), *arguments],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    whole, ended = map(float, done.stdout.split())
    assert whole / 4 < ended < whole * 2 / 3


def test_interrupt_ends_within_a_step(slow):
    interrupted(MODEL, slow)


@pytest.mark.parametrize("kind", ["Classifier", "Handler"])
def test_interrupt_ends_a_picture_within_a_step(slow_eyes, kind):
    interrupted(PICTURES.format(kind), slow_eyes, PHOTO)


@contextlib.contextmanager
def handled(handler):
    """SIGPROF runs handler, once 0.05 s were computed."""
    before = signal.signal(signal.SIGPROF, handler)
    try:
        signal.setitimer(signal.ITIMER_PROF, 0.05)
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def test_a_handler_that_calls_again(slow):
    """It would write where the call that it interrupts computes."""
    with libai.Model(slow, threads=1) as model, handled(lambda *_: model(WIDE[:1024])):
        with pytest.raises(RuntimeError, match="model 'slow' is in a call, which the handler of a"):
            model(WIDE[:1024])


def test_a_handler_that_closes(slow):
    """What it interrupts goes on to its end, and is closed then."""
    model = libai.Model(slow, threads=1)
    expected = model(WIDE[:1024])
    with handled(lambda *_: model.close()):
        assert (model(WIDE[:1024]) == expected).all()
    assert all(not session.handle for session in model._sessions)
    with pytest.raises(ValueError, match="model 'slow' is closed"):
        model(WIDE[:1])


def test_a_handler_that_closes_and_leaves(slow_eyes):
    """As at SIGTERM."""
    kind = libai.Classifier(slow_eyes, threads=1, cpu="ref")

    def leave(*_):
        kind.close()
        sys.exit("leaving")

    with handled(leave), pytest.raises(SystemExit, match="leaving"):
        kind(PHOTO)
    assert not kind.handle


def test_a_signal_that_raises_nothing(slow, adder):
    """The call starts over and gives its answer; a state does not move twice; who listened for
    signals before is told."""
    came = []
    before = signal.signal(signal.SIGPROF, lambda *_: came.append(1))
    ends = os.pipe()
    os.set_blocking(ends[1], False)
    fd = signal.set_wakeup_fd(ends[1])
    try:
        with libai.Model(slow, threads=1) as model:
            expected = model(WIDE[:512])
            signal.setitimer(signal.ITIMER_PROF, 0.05)
            assert (model(WIDE[:512]) == expected).all() and came == [1]
            assert os.read(ends[0], 10) == bytes([signal.SIGPROF])
            assert signal.set_wakeup_fd(ends[1]) == ends[1]
    finally:
        signal.set_wakeup_fd(fd)
        signal.signal(signal.SIGPROF, before)
        os.close(ends[0])
        os.close(ends[1])


def test_interrupted_conversion(slow, tmp_path):
    """Without a listener too; what was begun is not left behind."""
    script = """
import signal, sys, libai
signal.signal(signal.SIGALRM, signal.default_int_handler)
try:
    signal.setitimer(signal.ITIMER_REAL, 0.0001)
    for _ in range(1000):
        libai.convert(sys.argv[1], sys.argv[2])
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run([sys.executable, "-c", script, slow.with_suffix(".onnx"),
                           tmp_path / "a.lai"], capture_output=True, text=True, check=True)
    assert done.stdout == "interrupted\n"
    assert {path.name for path in tmp_path.iterdir()} <= {"a.lai"}
