# SPDX-License-Identifier: Apache-2.0
"""Keras' ResNet50 with its own preprocessing: keras_resnet50.py PHOTO resnet50.lai"""

import sys

import keras
import numpy as np

import libai


def network(weights="imagenet"):
    return keras.applications.ResNet50(weights=weights)


def convert(net, target, labels=None):
    """The preset is what load_img(target_size=(224, 224)) and preprocess_input do."""
    return libai.convert(net, target, image="keras", labels=labels)


def top3(net, photo):
    """Keras' own answer."""
    image = keras.utils.img_to_array(keras.utils.load_img(photo, target_size=(224, 224)))
    scores = net(keras.applications.resnet50.preprocess_input(image[np.newaxis]))
    return np.argsort(np.asarray(scores)[0])[::-1][:3].tolist()


if __name__ == "__main__":
    net = network()
    print(convert(net, sys.argv[2]))
    print(top3(net, sys.argv[1]), libai.classify(sys.argv[1], sys.argv[2], top=3))
