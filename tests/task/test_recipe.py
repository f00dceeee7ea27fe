# SPDX-License-Identifier: Apache-2.0
"""Recipes: presets, the full form, and what is refused."""
import json

import pytest

import task_lib as task

FIELDS = ["fraction", "resize", "size", "filter", "crop", "color", "pad", "scale", "mean", "std",
          "layout", "type", "softmax"]
IMAGENET = {"fraction": None, "resize": "short", "size": 256, "filter": "bilinear", "crop": 224,
            "color": "RGB", "pad": [0, 0, 0], "scale": [1 / 255] * 3,
            "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "layout": None,
            "type": "f32", "softmax": True}
LITE = {"fraction": 0.875, "resize": "squash", "size": 224, "filter": "bicubic", "crop": None,
        "color": "RGB", "pad": [0, 0, 0], "scale": [1, 1, 1], "mean": [127, 127, 127],
        "std": [128, 128, 128], "layout": None, "type": "f32", "softmax": True}
KERAS = {"fraction": None, "resize": "squash", "size": 224, "filter": "nearest", "crop": None,
         "color": "BGR", "pad": [0, 0, 0], "scale": [1, 1, 1], "mean": [103.939, 116.779, 123.68],
         "std": [1, 1, 1], "layout": None, "type": "f32", "softmax": False}


@pytest.mark.parametrize("name, fields", [("imagenet", IMAGENET), ("lite", LITE),
                                          ("keras", KERAS)])
def test_presets(name, fields):
    text = task.recipe(name)
    assert json.loads(text) == fields
    assert list(json.loads(text)) == FIELDS
    assert task.recipe(text) == text


def test_defaults():
    assert json.loads(task.recipe(" {}")) == {
        **KERAS, "resize": None, "size": None, "filter": "bilinear", "color": "RGB",
        "mean": [0, 0, 0]}


def test_one_channel():
    full = json.loads(task.recipe('{"mean": 5, "pad": [3], "color": "GRAY", "std": [2.5]}'))
    assert (full["mean"], full["pad"], full["std"], full["scale"]) == ([5], [3], [2.5], [1])


@pytest.mark.parametrize("value", [1 / 3, 0.1, 1e-9, 123456.789, 2.5e300])
def test_numbers_come_back(value):
    assert json.loads(task.recipe(json.dumps({"std": value})))["std"] == [value] * 3


def test_numbers_are_written_as_they_were():
    assert '"mean":[0.485,0.456,0.406]' in task.recipe("imagenet")


@pytest.mark.parametrize("spec, message", [
    ("resnet", "recipe 'resnet' is neither a preset (imagenet, lite, keras) nor JSON"),
    ("", "recipe '' is neither a preset (imagenet, lite, keras) nor JSON"),
    ("{", "recipe is no JSON: "), ('{"size": 3} x', "recipe is no JSON: "),
    ('{"size": 3, "size": 4}', "recipe is no JSON: duplicate object key"),
    ('{"mean": [1, 2]}', "recipe: 'mean' is [1,2], needs a number or a list of 3"),
    ('{"mean": [1, 2, "a"]}', "recipe: 'mean' is [1,2,\"a\"], needs a number or a list of 3"),
    ('{"mean": "a"}', "recipe: 'mean' is \"a\", needs a number or a list of 3"),
    ('{"color": "GRAY", "mean": [1, 2, 3]}',
     "recipe: 'mean' is [1,2,3], needs a number or a list of 1"),
    ('{"means": 1}', "recipe: unknown field 'means', there are fraction, resize, size, filter, "
                     "crop, color, pad, scale, mean, std, layout, type, softmax"),
    ('{"size": 0}', "recipe: 'size' is 0, needs a side from 1 to 32768, [height, width] of such, "
                    "or null"),
    ('{"size": 32769}', "recipe: 'size' is 32769, needs a side"),
    ('{"size": 22.5}', "recipe: 'size' is 22.5, needs a side"),
    ('{"size": [1, 2, 3]}', "recipe: 'size' is [1,2,3], needs a side"),
    ('{"crop": -1}', "recipe: 'crop' is -1, needs a side"),
    ('{"crop": {}}', "recipe: 'crop' is {}, needs a side"),
    ('{"crop": "' + "x" * 70 + '"}', "recipe: 'crop' is a value of 72 bytes, needs a side"),
    ('{"resize": "fit"}', "recipe: 'resize' is \"fit\", needs null, short, squash, letterbox"),
    ('{"resize": 3}', "recipe: 'resize' is 3, needs null, short, squash, letterbox"),
    ('{"filter": "lanczos"}', "recipe: 'filter' is \"lanczos\", needs nearest, bilinear, bicubic"),
    ('{"filter": null}', "recipe: 'filter' is null, needs nearest, bilinear, bicubic"),
    ('{"color": "rgb"}', "recipe: 'color' is \"rgb\", needs RGB, BGR, GRAY"),
    ('{"layout": "HWC"}', "recipe: 'layout' is \"HWC\", needs null, NCHW, NHWC"),
    ('{"type": "f16"}', "recipe: 'type' is \"f16\", needs f32, u8"),
    ('{"softmax": 1}', "recipe: 'softmax' is 1, needs true or false"),
    ('{"fraction": 0}', "recipe: 'fraction' is 0, needs a number over 0 and up to 1, or null"),
    ('{"fraction": 1.5}', "recipe: 'fraction' is 1.5, needs a number over 0 and up to 1, or null"),
    ('{"pad": 256}', "recipe: 'pad' is 256, needs whole numbers from 0 to 255"),
    ('{"pad": 0.5}', "recipe: 'pad' is 0.5, needs whole numbers from 0 to 255"),
    ('{"std": 0}', "recipe: scale 1, mean 0 and std 0 of channel 0 make values that are not "
                   "finite"),
    ('{"scale": [1, 1e300, 1]}', "recipe: scale 1e+300, mean 0 and std 1 of channel 1 make values "
                                 "that are not finite"),
    ('{"size": 224}', "recipe: 'size' is given, 'resize' is null"),
    ('{"resize": "short"}', "recipe: 'resize' is \"short\", needs 'size' as one number"),
    ('{"resize": "short", "size": [256, 224]}',
     "recipe: 'resize' is \"short\", needs 'size' as one number"),
    ('{"resize": "short", "size": 200, "crop": [224, 100]}',
     "recipe: 'crop' is 100 x 224, 'size' only 200 x 200"),
    ('{"a": ' + " " * 70000 + "1}", "recipe has 70008 bytes, the limit is 65536"),
    ("{" * 5000, "recipe is no JSON: ")])
def test_refused(spec, message):
    with pytest.raises(task.Failure) as failure:
        task.recipe(spec)
    assert str(failure.value).startswith(message)
    assert failure.value.code == (task.E_FORMAT if "{" in spec else task.E_ARGUMENT)
