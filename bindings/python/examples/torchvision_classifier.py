# SPDX-License-Identifier: Apache-2.0
"""A classifier of torchvision with the preprocessing of its weights:
torchvision_classifier.py resnet50|mobilenet_v2 PHOTO MODEL.lai"""

import sys

import torch
import torchvision
from PIL import Image

import libai


def network(name, weights="DEFAULT"):
    return torchvision.models.get_model(name, weights=weights).eval()


def recipe(name):
    """What the transforms of its weights do, as an image recipe."""
    made = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    return {"resize": "short", "size": made.resize_size[0], "crop": made.crop_size[0],
            "filter": made.interpolation.value, "scale": 1 / 255, "mean": made.mean,
            "std": made.std, "softmax": True}


def convert(net, name, target):
    labels = torchvision.models.get_model_weights(name).DEFAULT.meta["categories"]
    return libai.convert(net, target, example=torch.zeros(1, 3, 224, 224), image=recipe(name),
                         labels=labels)


def top3(net, name, photo):
    """torchvision's own answer."""
    transforms = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    with torch.no_grad():
        scores = net(transforms(Image.open(photo).convert("RGB"))[None])
    return scores[0].argsort(descending=True)[:3].tolist()


if __name__ == "__main__":
    name, photo, target = sys.argv[1:]
    net = network(name)
    print(convert(net, name, target))
    print(top3(net, name, photo), libai.classify(photo, target, top=3))
