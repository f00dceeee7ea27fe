# SPDX-License-Identifier: Apache-2.0
"""`ai classify`: images, folders, JSON, and images that are none."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from conftest import LABELS
from PIL import Image

COLOURS = {"red": (250, 10, 10), "green": (10, 250, 10), "blue": (10, 10, 250)}


def paint(path, colour: str, size: tuple[int, int] = (20, 10)):
    Image.new("RGB", size, COLOURS[colour]).save(path)
    return path


def body(line: str) -> list[dict]:
    answer = json.loads(line)
    assert answer["statusCode"] == 200
    return answer["body"]


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_json_line(ai, colours, tmp_path, ending):
    status, out, err = ai("classify", "--model", colours, "--json",
                          paint(tmp_path / f"a.{ending}", "green"))
    assert (status, err, out.count("\n")) == (0, "", 1)
    rows = body(out)
    assert [list(row) for row in rows] == [["rank", "label", "score", "index"]] * 3
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert (rows[0]["label"], rows[0]["index"]) == ("green", 1)
    assert {row["label"] for row in rows} == set(LABELS)
    assert sum(row["score"] for row in rows) == pytest.approx(1, abs=1e-5)


def test_top(ai, colours, tmp_path):
    image = paint(tmp_path / "a.png", "blue")
    for top, count in ((1, 1), (2, 2), (60000, 3)):
        done = ai("classify", "--model", colours, "--json", "--top", top, image)
        assert len(body(done.out)) == count


def test_text(ai, colours, tmp_path):
    image = paint(tmp_path / "a.png", "red")
    status, out, err = ai("classify", image, "--model", colours)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"{image}: ") and lines[0].endswith(" ms")
    assert lines[1].split()[0] == "1" and lines[1].split()[2:] == ["%", "red"]
    assert "peak memory" in lines[-1] and lines[-1].startswith("colours: ")


def test_folder_in_order(ai, colours, tmp_path):
    order = ["green", "blue", "red", "green", "blue"]
    for i, colour in enumerate(order):
        paint(tmp_path / f"{i}.{'png' if i % 2 else 'JPEG'}", colour)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_text("no image")
    status, out, err = ai("classify", "--model", colours, "--json", "--top", 1, tmp_path)
    assert (status, err) == (0, "")
    assert [body(line)[0]["label"] for line in out.splitlines()] == order


def test_wrong_ending(ai, colours, tmp_path):
    """The bytes tell what an image is, not its name."""
    image = paint(tmp_path / "a.png", "red")
    shutil.move(image, tmp_path / "a.jpg")
    done = ai("classify", "--model", colours, "--json", tmp_path / "a.jpg")
    assert body(done.out)[0]["label"] == "red"


def test_one_pixel(ai, colours, tmp_path):
    done = ai("classify", "--model", colours, "--json", paint(tmp_path / "a.png", "blue", (1, 1)))
    assert body(done.out)[0]["label"] == "blue"


def no_image(path):
    path.write_text("hello, world\n" * 10)
    return []


def empty(path):
    path.write_bytes(b"")
    return ["empty"]


def gif(path):
    Image.new("P", (4, 4)).save(path, "GIF")
    return ["JPEG", "PNG"]


def wide(path):
    Image.new("RGB", (60000, 1)).save(path, "PNG")
    return ["60000", "32768"]


def wide_jpeg(path):
    Image.new("RGB", (60000, 1)).save(path, "JPEG")
    return ["60000", "32768"]


def truncated_png(path):
    paint(path.with_suffix(".png"), "red", (300, 300))
    path.write_bytes(path.with_suffix(".png").read_bytes()[:120])
    path.with_suffix(".png").unlink()
    return []


def truncated_jpeg(path):
    Image.effect_noise((300, 300), 90).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:2000])
    return []


BROKEN = [no_image, empty, gif, wide, wide_jpeg, truncated_png, truncated_jpeg]


@pytest.mark.parametrize("make", BROKEN, ids=lambda make: make.__name__)
def test_broken_images(ai, colours, tmp_path, make):
    path = tmp_path / "broken"
    words = make(path)
    before = paint(tmp_path / "before.png", "red")
    after = paint(tmp_path / "after.png", "blue")
    done = ai("classify", "--model", colours, "--json", "--top", 1, before, path, after)
    done.failed(path, *words)
    lines = done.out.splitlines()
    assert [body(lines[0])[0]["label"], body(lines[2])[0]["label"]] == ["red", "blue"]
    answer = json.loads(lines[1])
    assert answer["statusCode"] == 400
    assert done.err == f"ai: {path}: {answer['body']['error']}\n"


@pytest.mark.parametrize("names, is_told", [
    (["broken.png"], False), (["broken.png", "none.png"], False), (["broken.png", "a.png"], True)])
def test_summary_needs_an_answer(ai, colours, tmp_path, names, is_told):
    no_image(tmp_path / "broken.png")
    paint(tmp_path / "a.png", "red")
    status, out, _ = ai("classify", "--model", colours, *(tmp_path / name for name in names))
    assert status == 1
    assert ("peak memory" in out) == is_told
    assert is_told or out == ""


def test_missing_image_and_empty_folder(ai, colours, tmp_path):
    none = tmp_path / "none.jpg"
    ai("classify", "--model", colours, none).failed(none, "No such file")
    ai("classify", "--model", colours, tmp_path).failed(tmp_path, ".png")


def test_model_without_recipe(ai, edges, tmp_path):
    image = paint(tmp_path / "a.png", "red")
    ai("classify", "--model", edges, image).failed(edges, "image")


def test_shipped_model_missing(ai, tmp_path, folder):
    """Elsewhere than in a build tree or an installation there is none: the command says how."""
    import os
    import subprocess
    lonely = tmp_path / "bin" / "ai"
    lonely.parent.mkdir()
    shutil.copy(os.environ["AI_BIN"], lonely)
    if os.path.exists("/usr/local/share/libai"):
        pytest.skip("a libai is installed on this machine")
    done = subprocess.run([lonely, "classify", "a.png"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "models/zoo/fetch efficientnet-lite0" in done.stderr


def test_pipes_do_not_hang(ai, colours, tmp_path):
    """A folder's are passed over; one that is named is refused."""
    paint(tmp_path / "a.png", "red")
    os.mkfifo(tmp_path / "b.png")
    (tmp_path / "c.png").mkdir()
    status, out, err = ai("classify", "--model", colours, "--json", tmp_path)
    assert (status, err, out.count("\n")) == (0, "", 1)
    ai("classify", "--model", colours, tmp_path / "b.png").failed(tmp_path / "b.png",
                                                                  "no regular file")
