# SPDX-License-Identifier: Apache-2.0
"""Text generators over small random CharRNNs: form, rules of verse, determinism, refusals."""
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import libai

SPECIAL = 3
HAN = "春夏秋冬山水風月花鳥江天雲人夜雨日年寒客心無一不來"
FORM = {"first": SPECIAL, "start": 1, "lines": 4, "width": 5,
        "marks": ["，\n", "。\n", "，\n", "。\n"], "temperature": 0.9, "top_p": 0.95}
LATIN = "abcdefghijklmnopqrstuvwxyz ,.\n\\"
FREE = {"first": 1, "start": 0, "length": 60}


def network(path, numbers, places=20, kind=TensorProto.INT64, seed=1, hidden=16, bias=None):
    """Embeddings of the character before and, if `places`, of its place; LSTM; tied logits."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return rng.normal(0, 1, shape).astype(np.float32)

    table = draw(numbers, hidden)
    constants = {"table": table, "tied": table.T.copy(), "W": draw(1, 4 * hidden, hidden),
                 "R": draw(1, 4 * hidden, hidden), "B": draw(1, 8 * hidden),
                 "bias": np.zeros(numbers, np.float32) if bias is None else bias}
    names = ["before", "place"] if places else ["before"]
    nodes = [helper.make_node("Gather", ["table", "before"], ["x0"], name="embed")]
    if places:
        constants["places"] = draw(places, hidden)
        nodes += [helper.make_node("Gather", ["places", "place"], ["x1"], name="embed_place"),
                  helper.make_node("Add", ["x0", "x1"], ["x"], name="add")]
    nodes += [helper.make_node("LSTM", ["x" if places else "x0", "W", "R", "B"], ["y", "", ""],
                               name="lstm", hidden_size=hidden),
              helper.make_node("Squeeze", ["y"], ["flat"], name="squeeze"),
              helper.make_node("MatMul", ["flat", "tied"], ["scores"], name="tied"),
              helper.make_node("Add", ["scores", "bias"], ["logits"], name="bias")]
    inputs = [helper.make_tensor_value_info(name, kind, [1, 1]) for name in names]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)]
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "charrnn", inputs, outputs, tensors)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]),
              path)


def lines_of(vocabulary):
    return "".join({"\n": "\\n", "\\": "\\\\"}.get(c, c) + "\n" for c in vocabulary).encode()


def convert(folder, vocabulary=HAN, recipe=FORM, rhymes=None, states=("lstm",), data=None, **options):
    numbers = options.pop("numbers", recipe.get("first", 0) + len(vocabulary))
    network(folder / "net.onnx", numbers, **options)
    resources = {"vocabulary": lines_of(vocabulary), "text": json.dumps(recipe).encode()}
    if rhymes is not None:
        resources["rhymes"] = rhymes
    libai.convert(folder / "net.onnx", folder / "net.lai", states=list(states),
                  resources={**resources, **(data or {})})
    return folder / "net.lai"


@pytest.fixture(scope="module")
def poet(tmp_path_factory):
    return convert(tmp_path_factory.mktemp("poet"))


@pytest.fixture(scope="module")
def model(poet):
    with libai.TextModel(poet) as opened:
        yield opened


def verses(text):
    assert re.fullmatch(r".{5}，\n.{5}。\n.{5}，\n.{5}。\n", text), text
    return re.findall(r"\w{5}", text)


def test_form_is_kept(model):
    for seed in range(1, 101):
        lines = verses(model(seed=seed))
        assert set("".join(lines)) <= set(HAN)
        assert len(set(lines)) == 4


def test_no_line_stands_twice(tmp_path):
    bias = np.zeros(SPECIAL + 16, np.float32)
    bias[SPECIAL] = 100  # it would say the first character for ever
    path = convert(tmp_path, HAN[:16], bias=bias)
    lines = verses(libai.TextModel(path)(seed=1))
    assert lines[0] == HAN[0] * 5 and len(set(lines)) == 4


def test_repeats_are_lowered(tmp_path):
    path = convert(tmp_path, recipe={**FORM, "repeat": 1000})
    with libai.TextModel(path) as model:
        for seed in range(1, 11):
            text = "".join(verses(model(seed=seed, start="春春")))
            assert len(set(text)) == 19  # 25 there are


def test_character_by_character(model):
    pieces = list(model.write(seed=3))
    assert len(pieces) == 20
    assert all(len(piece) == (3 if i % 5 == 4 else 1) for i, piece in enumerate(pieces))
    assert "".join(pieces) == model(seed=3)


def test_same_seed_same_text(poet, model):
    """Every level and number of threads writes what the weakest writes; seeds differ."""
    texts = [model(seed=seed) for seed in range(1, 21)]
    assert len(set(texts)) == 20
    for level in libai.cpu_levels():
        for threads in (1, 2):
            with libai.TextModel(poet, cpu=level, threads=threads) as other:
                assert [other(seed=seed) for seed in range(1, 21)] == texts, level


def test_chances_of_the_first_character(poet, model):
    """Frequencies follow softmax(logits / temperature) cut to top_p, as NumPy computes them."""
    logits = libai.Model(poet)({"before": np.array([[1]]), "place": np.array([[0]])})
    logits = logits["logits"].reshape(-1)[SPECIAL:].astype(np.float64)
    chance = np.exp((logits - logits.max()) / 2)
    chance /= chance.sum()
    order = np.argsort(-chance)
    cut = order[: np.searchsorted(np.cumsum(chance[order]), 0.8) + 1]
    assert 1 < len(cut) < len(HAN)
    count = np.zeros(len(HAN))
    for seed in range(2000):
        count[HAN.index(next(model.write(seed=seed, temperature=2.0, top_p=0.8)))] += 1
    assert set(np.flatnonzero(count)) <= set(cut)
    expected = 2000 * chance[cut] / chance[cut].sum()
    # 5 sigma of a binomial
    assert np.all(np.abs(count[cut] - expected) < 5 * np.sqrt(expected) + 1)


def test_start_acrostic_theme(model):
    assert model(seed=5, start="春天花月夜").startswith("春天花月夜，\n")
    assert model(seed=5, start="春天花月夜江水").startswith("春天花月夜，\n江水")
    whole = "".join(HAN[:20])
    assert "".join(verses(model(seed=5, start=whole))) == whole
    for seed in range(1, 21):
        lines = verses(model(seed=seed, acrostic="春夏秋冬"))
        assert "".join(line[0] for line in lines) == "春夏秋冬"
        assert "寒" in model(seed=seed, theme="寒")
    assert model(seed=5, start="春天", acrostic="春夏秋冬").startswith("春天")
    assert sum("寒" in model(seed=seed) for seed in range(1, 21)) < 20


REFUSED = [
    (dict(start="春龘"), "start has '龘', the vocabulary does not"),
    (dict(start="春，"), "start has '，'"),
    (dict(start="春" * 21), "start has more than 20 characters"),
    (dict(acrostic="春夏秋"), "acrostic has 3 characters, the form has 4 lines"),
    (dict(acrostic="春夏秋冬山"), "acrostic has more than 4 characters"),
    (dict(acrostic="春夏龘冬"), "acrostic has '龘'"),
    (dict(acrostic="春夏秋冬", start="夏"), "acrostic has '春' for line 1, start has '夏' there"),
    (dict(theme="moon"), "theme has 'm'"),
    (dict(theme="月" * 17), "theme has more than 16 characters"),
    (dict(top_p=1.1), "top-p is 1.1"),
    (dict(temperature=float("inf")), "temperature is inf"),
]


@pytest.mark.parametrize("wishes, message", REFUSED, ids=[row[1] for row in REFUSED])
def test_refused_wishes(model, wishes, message):
    before = model(seed=1)
    with pytest.raises(libai.Error, match=re.escape(message)) as failure:
        model(**wishes)
    assert failure.value.code == "AI_E_ARGUMENT"
    assert model(seed=1) == before


def test_refused_by_python(poet, model):
    for temperature in (0, -1.0):
        with pytest.raises(ValueError, match="more than 0 is needed"):
            model(temperature=temperature)
    with pytest.raises(ValueError, match="seed is -1"):
        model(seed=-1)
    with pytest.raises(TypeError, match="start is int"):
        model(start=7)
    first = model.write(seed=1)
    next(first)
    model.write(seed=2)
    with pytest.raises(RuntimeError, match="another text was begun"):
        next(first)
    closed = libai.TextModel(poet)
    characters = closed.write()
    closed.close()
    with pytest.raises(ValueError, match="closed"):
        next(characters)


# ---- Rules of verse ----

TONES = ["*OLLO LLOOL *LLOO *OOLL", "*LLOO *OOLL *OLLO LLOOL", "*OOLR LLOOL *LLOO *OOLL"]


def readings(character):
    """Level ones in groups 1 and 2, oblique ones in group 3; the last character has none."""
    i = HAN.index(character)
    return [] if i == len(HAN) - 1 else [("L", 1 + i % 2)] if i < 14 else [("O", 3)]


RHYMES = "".join(" ".join(f"{t}{g}" for t, g in readings(c)) + "\n" for c in HAN).encode()


def keeps(lines):
    """Whether lines 2 and 4 rhyme; with no rules about half of all do not."""
    return readings(lines[1][-1]) == readings(lines[3][-1])


def test_rhyme_and_tones(tmp_path):
    path = convert(tmp_path, recipe={**FORM, "rhyme": "-A-A", "tones": TONES}, rhymes=RHYMES)
    used = set()
    with libai.TextModel(path) as model:
        for seed in range(1, 101):
            lines = verses(model(seed=seed))
            ends = [lines[1][-1], lines[3][-1]]
            fitting = [i for i, pattern in enumerate(TONES)
                       if all(tone == "*" or tone.replace("R", "L") in [t for t, _ in readings(c)]
                              for c, tone in zip("".join(lines), pattern.replace(" ", "")))]
            assert len(fitting) == 1
            if fitting == [2]:
                ends.append(lines[0][-1])
            assert len(set(ends)) == len(ends)
            assert all(readings(end) == readings(ends[0]) for end in ends)
            used.update(fitting)
        assert used == {0, 1, 2}
        assert any(not keeps(verses(model(seed=seed, rules=False))) for seed in range(1, 11))
        # What is asked for goes before the rules.
        verses(model(seed=1, start="來來來來來"))


def test_rules_that_nothing_keeps_give_way(tmp_path):
    none = ("L1\n" * len(HAN)).encode()
    path = convert(tmp_path, recipe={**FORM, "tones": ["OOOOO OOOOO OOOOO OOOOO"]}, rhymes=none)
    assert len(verses(libai.TextModel(path)(seed=1))) == 4


# ---- Two scripts ----

SIMPLIFIED = HAN.replace("風", "风").replace("鳥", "鸟").replace("雲", "云").replace("無", "无")
SIMPLIFIED = SIMPLIFIED.replace("來", "天")  # as 後 and 后 become one


def test_scripts(tmp_path):
    path = convert(tmp_path, data={"simplified": lines_of(SIMPLIFIED)})
    turn = str.maketrans(HAN, SIMPLIFIED)
    with libai.TextModel(path) as model:
        for seed in range(1, 21):
            text = model(seed=seed)
            assert model(seed=seed, simplified=True) == text.translate(turn)
        # Either script is read in both; of two with one simplified form the first in the vocabulary.
        for simplified in (False, True):
            for start in ("風雲無鳥來", "风云无鸟来".replace("来", "來")):
                text = model(seed=1, start=start, simplified=simplified)
                assert text.startswith("风云无鸟天" if simplified else "風雲無鳥來")
        assert model(seed=1, start="天", simplified=True) == model(seed=1, start="天").translate(turn)
        text = model(seed=5)
        with pytest.raises(libai.Error, match="start has '龘'"):
            model(seed=1, start="龘", simplified=True)
        assert ai("write", "--model", path, "--seed", 5, "--script", "simplified") == (
            0, text.translate(turn), "")
        assert ai("write", "--model", path, "--seed", 5, "--script=traditional") == (0, text, "")


# ---- Free form ----

def test_english(tmp_path):
    path = convert(tmp_path, LATIN, FREE, places=0, kind=TensorProto.INT32)
    with libai.TextModel(path) as model:
        text = model(seed=1, start="the ")
        assert text.startswith("the ") and len(text) == 60 and set(text) <= set(LATIN)
        assert "\n" in model(seed=1, theme="\n") and "\\" in model(seed=1, theme="\\")
        with pytest.raises(libai.Error, match="acrostic is given, the model's texts have no lines"):
            model(acrostic="ab")


@pytest.mark.parametrize("end", [0, 1 + LATIN.index(".")])
def test_end(tmp_path, end):
    path = convert(tmp_path, LATIN, {**FREE, "end": end}, places=0)
    with libai.TextModel(path) as model:
        texts = [model(seed=seed, temperature=3.0) for seed in range(50)]
    assert min(map(len, texts)) < 60
    assert all("." not in text for text in texts) == (end > 0)


# ---- Models that do not fit ----

UNFIT = [
    (dict(numbers=40), "AI_E_SHAPE", "vocabulary has 25 characters from number 3 on, output 'logits' "
     "has 40 numbers"),
    (dict(states=[]), "AI_E_UNSUPPORTED", "model keeps no state: convert it with --state"),
    (dict(kind=TensorProto.INT64, data={"vocabulary": b"ab\nc\n"}), "AI_E_FORMAT",
     "vocabulary: line 1 is not one UTF-8 character"),
    (dict(data={"vocabulary": b""}), "AI_E_FORMAT", "vocabulary"),
    (dict(data={"vocabulary": b"a\n\xff\n"}), "AI_E_FORMAT", "line 2 is not one UTF-8 character"),
    (dict(data={"text": b"[]"}), "AI_E_FORMAT", "text recipe is no JSON object"),
    (dict(data={"text": b"{"}), "AI_E_FORMAT", "text recipe is no JSON: "),
    (dict(recipe={"first": 3}), "AI_E_FORMAT", "'start' is missing"),
    (dict(recipe={**FORM, "start": 99}), "AI_E_SHAPE", "'start' is 99, the model has 28 numbers"),
    (dict(recipe={**FORM, "colour": 1}), "AI_E_FORMAT", "there is no field 'colour'"),
    (dict(recipe={**FORM, "lines": 0}), "AI_E_FORMAT", "'lines' is not an integer from 1 to 16"),
    (dict(recipe={"first": 3, "start": 1, "lines": 4}), "AI_E_FORMAT", "'width' is missing"),
    (dict(recipe={**FORM, "length": 9}), "AI_E_FORMAT", "'length' and 'end' are for texts without"),
    (dict(recipe={**FORM, "marks": ["a"]}), "AI_E_FORMAT", "'marks' is not"),
    (dict(recipe={**FORM, "marks": ["a", "b", "c", 1]}), "AI_E_FORMAT", "'marks' is not"),
    (dict(recipe={**FORM, "rhyme": "AB"}), "AI_E_FORMAT", "'rhyme' is not"),
    (dict(recipe={**FORM, "tones": ["LLLLL"]}), "AI_E_FORMAT", "'tones' is not"),
    (dict(recipe={**FORM, "tones": []}), "AI_E_FORMAT", "'tones' is not"),
    (dict(recipe={**FORM, "temperature": 0}), "AI_E_FORMAT", "'temperature' is not"),
    (dict(recipe={**FORM, "top_p": 2}), "AI_E_FORMAT", "'top_p' is not"),
    (dict(recipe={**FORM, "repeat": -1}), "AI_E_FORMAT", "'repeat' is not a number from 0 to 1000"),
    (dict(recipe={**FORM, "repeat": "1"}), "AI_E_FORMAT", "'repeat' is not a number from 0 to 1000"),
    (dict(recipe={**FORM, "rhyme": "-A-A"}), "AI_E_FORMAT", "has no resource 'rhymes'"),
    (dict(recipe={**FORM, "rhyme": "-A-A"}, rhymes=b"L1\n"), "AI_E_FORMAT",
     "rhymes: 1 lines, the vocabulary has 25"),
    (dict(recipe={**FORM, "rhyme": "-A-A"}, rhymes=b"L1 X2\n"), "AI_E_FORMAT", "rhymes: line 1"),
    (dict(recipe={**FORM, "rhyme": "-A-A"}, rhymes=b"L1\nL128\n"), "AI_E_FORMAT", "rhymes: line 2"),
    (dict(data={"simplified": b"a\n"}), "AI_E_FORMAT", "simplified: 1 lines, the vocabulary has 25"),
    (dict(data={"simplified": b"ab\n" * 25}), "AI_E_FORMAT",
     "simplified: line 1 is not one UTF-8 character"),
    (dict(recipe={**FORM, "tones": ["*OLLO LLOOR *LLOO *OOLL"]}), "AI_E_FORMAT", "'tones' is not"),
    (dict(recipe={**FORM, "tones": ["*O"]}), "AI_E_FORMAT", "'tones' is not"),
    (dict(recipe={**FORM, "tones": ["*OLRO LLOOL *LLOO *OOLL"]}), "AI_E_FORMAT", "'tones' is not"),
    (dict(kind=TensorProto.INT64, places=3), None, "place"),
]


@pytest.mark.parametrize("options, code, message", UNFIT, ids=[row[2][:40] for row in UNFIT])
def test_unfit_models(tmp_path, options, code, message):
    path = convert(tmp_path, **options)
    with pytest.raises(libai.Error) as failure:
        libai.TextModel(path)(seed=1)
    assert message in failure.value.message
    assert failure.value.code == (code or "AI_E_VALUE")


def test_not_a_number(tmp_path):
    bias = np.zeros(SPECIAL + len(HAN), np.float32)
    bias[7] = np.nan
    path = convert(tmp_path, bias=bias)
    with pytest.raises(libai.Error, match="output 'logits' has NaN at 7, needs a number"):
        libai.TextModel(path)(seed=1)


# ---- Memory ----

MEMORY_TEST = Path(os.environ["AI_BUILD"]) / "tests/task/test-task-memory"


@pytest.mark.skipif(not MEMORY_TEST.exists(), reason="not built without glibc")
def test_each_allocation_fails(poet, tmp_path):
    shutil.copy(poet, tmp_path / "text.lai")
    subprocess.run([MEMORY_TEST, tmp_path / "text.lai"], check=True, timeout=60)


# ---- The command ----

def ai(*arguments, **options):
    done = subprocess.run([os.environ["AI_BIN"], *map(str, arguments)], capture_output=True,
                          timeout=60, **options)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_command(poet, model):
    first, second = model(seed=7), model(seed=8)
    assert ai("write", "--model", poet, "--seed", 7) == (0, first, "")
    assert ai("write", "--model", poet, "--seed", 7, "--stream", "--count", 2) == (
        0, f"{first}\n{second}", "")
    status, out, err = ai("write", "--model", poet, "--seed", 7, "--count", 2, "--json")
    assert (status, err) == (0, "")
    assert [json.loads(line) for line in out.splitlines()] == [
        {"statusCode": 200, "body": {"seed": seed, "text": text}}
        for seed, text in ((7, first), (8, second))]
    wishes = dict(start="春", acrostic="春夏秋冬", theme="月", temperature=1.5, top_p=0.5)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in wishes.items()]
    assert ai("write", "--model", poet, "--seed", 7, *options) == (0, model(seed=7, **wishes), "")
    texts = {ai("write", "--model", poet)[1] for _ in range(3)}
    assert len(texts) > 1


def test_command_takes_every_seed(poet, model):
    """The seeds of a JSON answer too, which count up from the one that was given."""
    for seed in (0, 2**32 - 1, 2**64 - 1):
        assert ai("write", "--model", poet, "--seed", seed) == (0, model(seed=seed), "")
    out = ai("write", "--model", poet, "--seed", 2**32 - 1, "--count", 2, "--json")[1]
    last = json.loads(out.splitlines()[1])["body"]
    assert ai("write", "--model", poet, "--seed", last["seed"])[1] == last["text"]
    for seed in (2**64, "-1", "1e3", "+1", " 1"):
        assert ai("write", "--model", poet, f"--seed={seed}")[0] == 2


def test_command_ends_with_its_reader(poet):
    """Where a closed pipe is no signal, the command ends at the first text that is not read."""
    readable, writable = os.pipe()
    os.close(readable)
    done = subprocess.run([os.environ["AI_BIN"], "write", "--model", poet, "--count", "1000000"],
                          stdout=writable, stderr=subprocess.PIPE, timeout=120,
                          restore_signals=False)
    os.close(writable)
    assert (done.returncode, done.stderr) == (1, b"ai: standard output: Broken pipe\n")


def test_command_refuses(poet):
    status, out, err = ai("write", "--model", poet, "--start", "龘")
    assert (status, out) == (1, "")
    assert err == f"ai: {poet}: start has '龘', the vocabulary does not\n"
    status, out, err = ai("write", "--model", poet, "--acrostic", "春", "--json")
    assert status == 1 and err.count("\n") == 1
    assert json.loads(out) == {"statusCode": 400, "body": {
        "error": "acrostic has 1 character, the form has 4 lines"}}
    assert ai("write", "--model", poet, "--temperature", 0)[0] == 2
    status, out, err = ai("write", "--model", poet, "--script", "Latin")
    assert (status, out) == (2, "")
    assert "--script is 'Latin', there are simplified and traditional" in err
    status, out, err = ai("write", "--model", poet, "--script", "simplified")
    assert (status, out) == (1, "") and "the model has no resource 'simplified'" in err


def test_convert_by_command(tmp_path):
    """A resource 'text' must make a model that `ai write` takes."""
    network(tmp_path / "net.onnx", SPECIAL + len(HAN))
    (tmp_path / "v.txt").write_bytes(lines_of(HAN))
    (tmp_path / "t.json").write_text(json.dumps(FORM))
    made = ["convert", tmp_path / "net.onnx", "-o", tmp_path / "net.lai", "--resource",
            f"vocabulary={tmp_path / 'v.txt'}", "--resource", f"text={tmp_path / 't.json'}"]
    status, _, err = ai(*made)
    assert status == 1 and "model keeps no state" in err and not (tmp_path / "net.lai").exists()
    assert ai(*made, "--state", "lstm") == (0, "", "")
    assert len(verses(ai("write", "--model", tmp_path / "net.lai")[1])) == 4
