# SPDX-License-Identifier: Apache-2.0
"""The CharRNN of the zoo: the shipped model keeps the form, and a checkpoint becomes a model."""
import collections
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import libai
import test_zoo

FOLDER = os.path.join(test_zoo.ZOO, "charrnn")
SHIPPED = os.path.join(os.environ["AI_BUILD"], "models", "zoo", "charrnn.lai")
NUMBERS, HIDDEN, PLACES = 11, 16, 20
KINDS = {"weight_ih": (4 * HIDDEN, HIDDEN), "weight_hh": (4 * HIDDEN, HIDDEN),
         "bias_ih": (4 * HIDDEN,), "bias_hh": (4 * HIDDEN,)}


def script(name, *arguments):
    subprocess.run([sys.executable, "-B", os.path.join(FOLDER, name), *map(str, arguments)],
                   check=True, stdout=subprocess.DEVNULL)


# ---- What ships ----

@pytest.fixture(scope="module")
def poet():
    with libai.TextModel(SHIPPED) as model:
        yield model


@pytest.fixture(scope="module")
def resources():
    with libai.Model(SHIPPED) as model:
        return model.resources


def test_file(resources):
    assert os.path.getsize(SHIPPED) <= 10_000_000
    assert json.loads(resources["metadata"])["licence"] == "Apache-2.0"
    assert b"chinese-poetry" in resources["notice"]
    with open(os.path.join(FOLDER, "recipe.json"), encoding="utf-8") as file:
        assert json.loads(resources["text"]) == json.load(file)


def test_poems_keep_the_rules(poet, resources):
    readings = {c: set(line.split()) for c, line in zip(
        resources["vocabulary"].decode().split("\n"), resources["rhymes"].decode().split("\n"))}
    patterns = json.loads(resources["text"])["tones"]
    for seed in range(1, 41):
        text = poet(seed=seed)
        assert re.fullmatch(r"\w{5}，\n\w{5}。\n\w{5}，\n\w{5}。\n", text)
        lines = re.findall(r"\w{5}", text)
        assert len(set(lines)) == 4
        shared = readings[lines[1][-1]] & readings[lines[3][-1]]
        assert any(reading[0] == "L" for reading in shared) and lines[1][-1] != lines[3][-1]
        assert any(all(tone == "*" or any(r[0] == tone for r in readings[c])
                       for c, tone in zip("".join(lines), re.sub(" ", "", p).replace("R", "L")))
                   for p in patterns), text


def test_same_poem_at_every_level(poet):
    for level in libai.cpu_levels():
        with libai.TextModel(SHIPPED, cpu=level, threads=1) as other:
            assert [other(seed=s, start="春") for s in (1, 2)] == [
                poet(seed=s, start="春") for s in (1, 2)], level


def test_command_needs_no_model(poet):
    done = subprocess.run([os.environ["AI_BIN"], "write", "--seed", "7", "--acrostic", "山高月小"],
                          capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == poet(seed=7, acrostic="山高月小")
    text = poet(seed=7, start="風雲", simplified=True)
    assert text.startswith("风云") and text == poet(seed=7, start="风云", simplified=True)


# ---- Its recipe ----

def checkpoint(path, layers=2):
    """A small CharRNN with drawn weights, as train.py writes it; the weights too."""
    rng = np.random.default_rng(1)
    shapes = {"bias": (NUMBERS,), "character.weight": (NUMBERS, HIDDEN),
              "place.weight": (PLACES, HIDDEN),
              **{f"rnn.{kind}_l{i}": shape for i in range(layers) for kind, shape in KINDS.items()}}
    weights = {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    state = collections.OrderedDict()
    for name, array in weights.items():
        strides = [s // 4 for s in array.strides]
        state[name] = test_zoo.tensor(name, array.size, 0, array.shape, strides)
    test_zoo.write(path, state, {name: array.ravel() for name, array in weights.items()})
    return weights


def logits_of(weights, text, kind, layers=2):
    """A step a row, in numbers of `kind`, by PyTorch's formulas: gates in the order i, f, g, o."""
    w = {name: array.astype(kind) for name, array in weights.items()}
    h, c, rows = np.zeros((layers, HIDDEN), kind), np.zeros((layers, HIDDEN), kind), []
    for place, before in enumerate(text):
        x = w["character.weight"][before] + w["place.weight"][place]
        for layer in range(layers):
            sums = (w[f"rnn.weight_ih_l{layer}"] @ x + w[f"rnn.bias_ih_l{layer}"]
                    + w[f"rnn.weight_hh_l{layer}"] @ h[layer] + w[f"rnn.bias_hh_l{layer}"])
            i, f, g, o = np.split(sums, 4)
            i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
            c[layer] = f * c[layer] + i * np.tanh(g)
            x = h[layer] = o * np.tanh(c[layer])
        rows.append(w["character.weight"] @ x + w["bias"])
    return np.array(rows)


def test_checkpoint_becomes_a_model(tmp_path):
    """As near to f64 as NumPy in f32 is, twice its distance at most; and it writes."""
    weights = checkpoint(tmp_path / "best.pt")
    script("export.py", tmp_path / "best.pt", tmp_path / "net.onnx")
    recipe = {"first": 3, "start": 1, "lines": 4, "width": 5}
    libai.convert(tmp_path / "net.onnx", tmp_path / "net.lai",
                  states=[f"{s}{i}={s}{i}_out" for i in (0, 1) for s in "hc"],
                  resources={"text": json.dumps(recipe).encode(),
                             "vocabulary": "春\n夏\n秋\n冬\n山\n水\n風\n月\n".encode()})
    text = np.random.default_rng(2).integers(0, NUMBERS, PLACES)
    with libai.Model(tmp_path / "net.lai") as model:
        ours = np.array([model({"before": np.array([[before]]), "place": np.array([[place]])})
                         ["logits"][0] for place, before in enumerate(text)])
    exact = logits_of(weights, text, np.float64)
    theirs = logits_of(weights, text, np.float32)
    assert theirs.dtype == np.float32
    assert np.abs(ours - exact).max() <= 2 * np.abs(theirs - exact).max()
    with libai.TextModel(tmp_path / "net.lai") as model:
        assert re.fullmatch(r"(\w{5}\n){4}", model(seed=1))


# ---- Its tables ----

def test_tables(tmp_path):
    """Readings by the character, by a variant of it, by the supplement; simplified forms."""
    names = sorted(supplement_groups() - {"齊"})
    names += [chr(0x3400 + i) for i in range(105 - len(names))]
    names.insert(7, "齊")
    level, oblique = ({name: [""] for name in part} for part in (names[:30], names[30:]))
    level[names[0]], oblique[names[40]] = ["為風"], ["風略"]
    book = {"ping": {"上平聲部": level}, "ze": {"去聲部": oblique}}
    (tmp_path / "book.json").write_text(json.dumps(book), encoding="utf-8")
    (tmp_path / "TSCharacters.txt").write_text("為\t为\n爲\t为\n風\t风\n", encoding="utf-8")
    (tmp_path / "JPVariants.txt").write_text("龍\t竜\n", encoding="utf-8")
    (tmp_path / "unihan").write_text("U+7567\tkSemanticVariant\tU+7565<kMatthews\n", encoding="utf-8")
    (tmp_path / "vocabulary.txt").write_text("爲\n風\n畧\n溪\n龘\n", encoding="utf-8")
    script("tables.py", tmp_path, tmp_path / "book.json", tmp_path, tmp_path / "unihan")
    assert (tmp_path / "rhymes.txt").read_text() == "L1\nL1 O41\nO41\nL8\n\n"
    assert (tmp_path / "simplified.txt").read_text(encoding="utf-8") == "为\n风\n畧\n溪\n龘\n"


def supplement_groups():
    sys.path.insert(0, FOLDER)
    import tables
    return {word[0] for word in tables.SUPPLEMENT.split()}
