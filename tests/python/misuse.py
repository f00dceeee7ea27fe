# SPDX-License-Identifier: Apache-2.0
"""Threads that use models wrongly for a while, at random: misuse.py MODEL WRITER SECONDS [SEED]. MODEL
doubles batches of four. Ends with the number of calls that answered and of exceptions by kind; what must not come
is a wrong answer, another exception, a crash, a hang. (Under gcc 12's AddressSanitizer 1 run of 25 hangs: its
allocator's lock may be taken at a fork.)"""

import collections
import copy
import faulthandler
import gc
import os
import pickle
import random
import signal
import sys
import threading
import time

import numpy as np

import libai

EXPECTED = (ValueError, TypeError, RuntimeError, libai.Error, libai.Fault)
THREADS = 6
model_path, writer_path, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
first_seed = THREADS * int(sys.argv[4] if len(sys.argv) > 4 else 0)
models, lock, counts = [], threading.Lock(), collections.Counter()
begin = time.monotonic()


def opened(dice):
    kind = dice.choice([libai.Model] * 4 + [libai.TextModel, libai.Handler])
    return kind(model_path if kind is libai.Model else writer_path, threads=dice.choice([1, 2]))


def array(dice):
    x = np.random.default_rng(dice.randrange(9)).standard_normal((dice.choice([1, 1, 2, 5]), 4))
    x = x.astype(dice.choice(["f4"] * 6 + ["f8", ">f4", "f2", "i4", "O"]))
    shape = dice.choice([lambda a: a] * 6 + [
        np.asfortranarray, lambda a: a[::-1], lambda a: a[:, :3], lambda a: a[0], lambda a: a[:0],
        lambda a: np.broadcast_to(a[:1], (3, 4)), lambda a: a.tolist(), lambda a: memoryview(a),
        lambda a: {"x": a}, lambda a: {"x": a, "y": a}, lambda a: None])
    x = shape(x)
    if isinstance(x, np.ndarray) and dice.random() < 0.2:
        x.flags.writeable = False
    return x


def call(dice, model):
    if isinstance(model, libai.TextModel):
        for i, _ in enumerate(model.write(seed=dice.randrange(5), start=dice.choice([None, "山"]))):
            if i > dice.randrange(6):
                return
    elif isinstance(model, libai.Handler):
        model(dice.choice([{"seed": 1, "start": "山"}, {}, b"\xff", b"{", [], "?", None]))
    else:
        x = array(dice)
        out = dice.choice([None] * 4 + [np.empty((1, 4), "f4"), x])
        y = model(x, out=out)
        given = np.asarray(x["x"] if isinstance(x, dict) else x)
        y = y["y"] if isinstance(y, dict) else y
        assert (out is not x or not given.size) and np.array_equal(y, given * 2, equal_nan=True), (x, y)


def look(dice, model):
    if isinstance(model, libai.Model):
        what = dice.choice(["inputs", "outputs", "resources", "steps", "state", "memory_bytes"])
        getattr(model, what)
        model._repr_html_()
        if dice.random() < 0.3:
            model.state = dice.choice([model.state, b"", os.urandom(64), bytes(200)])
        model.reset()


def change(dice, model):
    other = dice.choice([lambda: pickle.loads(pickle.dumps(model)), lambda: copy.copy(model),
                         lambda: copy.deepcopy(model), lambda: opened(dice)])()
    with lock:
        models[dice.randrange(len(models))] = other
    if dice.random() < 0.5:
        model.close()
    if dice.random() < 0.1:
        gc.collect()


def fork(dice, model):
    child = os.fork()
    if child == 0:
        try:
            call(dice, model)
            model.close()
        except EXPECTED:
            pass
        except BaseException:
            faulthandler.dump_traceback()
            os._exit(1)
        os._exit(0)
    limit = time.monotonic() + 60
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > limit:
            os.kill(child, signal.SIGABRT)  # faulthandler says where it hangs
        time.sleep(0.002)
    assert ended[1] == 0, ended


def goes_on():
    return time.monotonic() - begin < seconds or not counts["answered"]


def work(seed):
    dice = random.Random(seed)
    actions = [call] * 30 + [look] * 6 + [change] * 4 + [fork]
    while goes_on():
        with lock:
            model = dice.choice(models)
        try:
            dice.choice(actions)(dice, model)
            counts["answered"] += 1
        except EXPECTED as error:
            counts[type(error).__name__] += 1
        except BaseException:
            counts["wrong"] += 1
            raise


def interrupting(dice):
    """A handler of a signal that calls or closes a model, or raises where work() is underneath."""
    is_running = False

    def handler(_, frame):
        nonlocal is_running
        if is_running:
            return
        is_running = True
        try:
            dice.choice([call, lambda _, model: model.close()])(dice, dice.choice(models))
        except EXPECTED:
            if frame.f_code is not main.__code__ and dice.random() < 0.5:
                raise
        finally:
            is_running = False
    return handler


def main():
    faulthandler.enable()
    faulthandler.dump_traceback_later(seconds + 120, exit=True)
    dice = random.Random(first_seed)
    models.extend(opened(dice) for _ in range(8))
    array(dice)
    signal.signal(signal.SIGALRM, interrupting(dice))
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(first_seed + 1, first_seed + THREADS)]
    for thread in threads:
        thread.start()
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    while goes_on():
        try:
            work(first_seed)
        except EXPECTED:
            counts["in a handler of a signal"] += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    for thread in threads:
        thread.join()
    print(dict(counts))
    return int(counts["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
