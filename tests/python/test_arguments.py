# SPDX-License-Identifier: Apache-2.0
"""What the other calls take beside arrays: a clear exception for what they do not."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import libai

ZOO = Path(os.environ["AI_ZOO"])
WRITER = ZOO / "charrnn.lai"
PHOTO = Path(os.environ["AI_SOURCE"]) / "tests" / "data" / "chelsea.png"

BESIDE = """
import sys, threading
begin = r'''
import sys
sys.path[:0] = {paths!r}
import libai
assert libai.TextModel({writer!r})(seed=1) == {text!r}
assert "body" in libai.handler({writer!r})({{"seed": 1}})
'''
try:
    import _xxsubinterpreters as interpreters
    create = lambda: interpreters.create(isolated=False)
except ImportError:
    import _interpreters as interpreters
    create = lambda: interpreters.create("legacy")
def run():
    one = create()
    problem = interpreters.run_string(one, begin)
    assert problem is None, problem
    interpreters.destroy(one)
run()
thread = threading.Thread(target=run)
thread.start()
thread.join()
print("done")
"""


@pytest.mark.parametrize("state", ["abc", 8320, None, [1, 2]])
def test_state(adder, state):
    with libai.Model(adder) as model:
        with pytest.raises(TypeError, match=f"state is {type(state).__name__}, bytes are needed"):
            model.state = state
        model.state = memoryview(model.state)


@pytest.mark.parametrize("wish", ["temperature", "top_p"])
def test_numbers(wish):
    with libai.TextModel(WRITER) as model:
        with pytest.raises(TypeError, match=f"{wish} is str, a number is needed"):
            model(**{wish: "1"})


def test_pictures(slow_eyes):
    data = PHOTO.read_bytes()
    with libai.Classifier(slow_eyes) as classifier:
        expected = classifier(data)
        assert classifier(bytearray(data)) == classifier(memoryview(data)) == classifier(PHOTO) == expected
        for image in (None, 3, [data]):
            with pytest.raises(TypeError, match=f"image is {type(image).__name__}, a path or the bytes"):
                classifier(image)


@pytest.mark.skipif(not any(map(importlib.util.find_spec, ["_xxsubinterpreters", "_interpreters"])),
                    reason="Python has no interpreters beside its first one")
def test_another_interpreter():
    """As in a web server: it is told of no signals."""
    script = BESIDE.format(paths=sys.path, writer=str(WRITER), text=libai.TextModel(WRITER)(seed=1))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
