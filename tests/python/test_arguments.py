# SPDX-License-Identifier: Apache-2.0
"""What the other calls take beside arrays: a clear exception for what they do not."""

import os
from pathlib import Path

import pytest

import libai

ZOO = Path(os.environ["AI_ZOO"])
WRITER = ZOO / "charrnn.lai"
PHOTO = Path(os.environ["AI_SOURCE"]) / "tests" / "data" / "chelsea.png"

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
