# SPDX-License-Identifier: Apache-2.0
"""Silero VAD, which finds speech in sound, beside ONNX Runtime: the same decision in every frame,
with the state kept by the session. The sound is made here: sentences with silence between them."""

from __future__ import annotations

import io
import os
import subprocess
import wave
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime

import libai

MODELS = Path(os.environ["AI_SOURCE"]) / "models/zoo/cache/silero-vad"
RATE, FRAME, CONTEXT = 16000, 512, 64
TEXTS = [("en", "A quiet night. The moon is bright before my bed."), ("de", "Wie heisst du?"),
         ("en-us", "Every frame is decided alike, by both."), ("fr", "Bonjour, le monde.")]


def spoken(voice: str, text: str) -> np.ndarray:
    """By espeak-ng, at the rate of the network."""
    data = subprocess.run(["espeak-ng", "-v", voice, "--stdout", text], check=True,
                          capture_output=True).stdout
    with wave.open(io.BytesIO(data)) as sound:
        assert sound.getnchannels() == 1 and sound.getsampwidth() == 2
        rate = sound.getframerate()
    samples = np.frombuffer(data[44:len(data) & ~1], np.int16).astype(np.float32) / 32768
    at = np.arange(len(samples) * RATE // rate) * (rate / RATE)
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


@cache
def frames() -> np.ndarray:
    """Each frame with the end of the one before it, as the network wants it. Speech, silence and
    noise by turns."""
    dice = np.random.default_rng(5)
    parts = []
    for i, (voice, text) in enumerate(TEXTS):
        parts += [spoken(voice, text), np.zeros(RATE // 2, np.float32)]
        parts.append(dice.normal(0, 0.02 * i, RATE // 2).astype(np.float32))
    sound = np.concatenate([np.zeros(CONTEXT, np.float32), *parts])
    count = (len(sound) - CONTEXT) // FRAME
    return np.stack([sound[i * FRAME:i * FRAME + FRAME + CONTEXT] for i in range(count)])


@cache
def reference() -> np.ndarray:
    """The probabilities that ONNX Runtime gives."""
    session = onnxruntime.InferenceSession(MODELS / "silero_vad_16k_op15.onnx",
                                           providers=["CPUExecutionProvider"])
    state = np.zeros((2, 1, 128), np.float32)
    found = []
    for frame in frames():
        feed = {"input": frame[None], "state": state, "sr": np.array(RATE, np.int64)}
        probability, state = session.run(["output", "stateN"], feed)
        found.append(probability.item())
    return np.array(found)


def check(found: np.ndarray) -> None:
    """The sound has both kinds of frames. How near the numbers are is no bound derived: they are
    far nearer to one another than any is to the threshold."""
    expected = reference()
    assert 50 < (expected > 0.5).sum() < len(expected) - 50
    np.testing.assert_array_equal(found > 0.5, expected > 0.5)
    assert np.abs(found - expected).max() < np.abs(expected - 0.5).min()


def test_frame_by_frame(tmp_path):
    """Ten Ifs, some inside others, are decided; half way the state goes to another session."""
    target = tmp_path / "vad.lai"
    libai.convert(MODELS / "silero_vad_16k_op15.onnx", target, shapes={"input": (1, 576)},
                  states=["state=stateN"])
    found = []
    state = None
    half = len(frames()) // 2
    for part in (frames()[:half], frames()[half:]):
        with libai.Model(target, threads=1) as network:
            assert [item.name for item in network.outputs] == ["output"]
            if state is not None:
                network.state = state
            for frame in part:
                feed = {"input": frame[None], "sr": np.array(RATE, np.int64)}
                found.append(network(feed)["output"].item())
            state = network.state
    check(np.array(found))


def test_as_a_sequence(tmp_path):
    """Sixteen frames a call."""
    target = tmp_path / "vad.lai"
    libai.convert(MODELS / "silero_vad_16k_sequence.onnx", target, shapes={"input": (16, 576)},
                  states=["h=hn", "c=cn"])
    found = []
    with libai.Model(target, threads=1) as network:
        for i in range(0, len(frames()) // 16 * 16, 16):
            found.append(network({"input": frames()[i:i + 16]})["speech_probs"])
    with libai.Model(target, threads=1) as network:
        whole = network({"input": frames()})["speech_probs"]
    check(whole)
    found = np.concatenate(found)
    assert found.tobytes() == whole[:len(found)].tobytes()
