# SPDX-License-Identifier: Apache-2.0
"""Models that lie in a bucket: fetched, verified, replaced by newer ones; bad ones change nothing."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import pytest
from conftest import FUNCTION, PATIENCE, picture, save_colours, wait_for
from store import SECRET, Store


@pytest.fixture
def store(models):
    one = Store()
    one.objects["nets/colours.lai"] = (models / "colours.lai").read_bytes()
    yield one
    one.close()


@pytest.fixture(scope="module")
def newer(tmp_path_factory):
    """Another file of the same name, with other labels."""
    folder = tmp_path_factory.mktemp("newer")
    return save_colours(folder / "colours.lai", ["rouge", "vert", "bleu"]).read_bytes()


def first(server):
    answer = server.post(picture())
    assert answer.status == 200, answer.data
    return answer.json["body"][0]["label"]


def test_it_serves_and_takes_the_newer_one(serve, store, newer, tmp_path):
    env = store.settings(AI_RECHECK_S="1", TMPDIR=str(tmp_path))
    server = serve("--model", "s3://in/nets/colours.lai", env=env)
    assert first(server) == "red"
    (folder,) = tmp_path.iterdir()
    assert folder.name.startswith("ai-model-")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in folder.iterdir()] == ["model.lai"]
    assert server.post(picture(), "/models/colours").status == 200
    store.objects["nets/colours.lai"] = newer
    wait_for(lambda: first(server) == "rouge")
    assert server.metric("ai_model_reloads_total") == 1
    server.stop()
    assert not folder.exists()


def test_what_is_the_same_is_not_sent_again(serve, store):
    server = serve("--model", "oss://in/nets/colours.lai", env=store.settings(AI_RECHECK_S="1"))
    wait_for(lambda: first(server) == "red" and len(store.seen) > 2)
    assert "If-None-Match" not in store.seen[0][2]
    assert all(headers["If-None-Match"][:1] == '"' for _, _, headers in store.seen[1:])
    assert server.metric("ai_model_reloads_total") == 0
    server.stop()


def test_once_a_minute_at_most(serve, store):
    env = store.settings(AI_RECHECK_S="1")
    del env["AI_RECHECK_S"]
    server = serve("--quiet", "--model", "s3://in/nets/colours.lai", env=env)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        first(server)
    assert len(store.seen) == 1


@pytest.mark.parametrize("bad", ["damaged", "gone"])
def test_the_old_one_serves_on(serve, store, newer, bad):
    server = serve("--model", "s3://in/nets/colours.lai", env=store.settings(AI_RECHECK_S="1"))
    assert first(server) == "red"
    if bad == "gone":
        del store.objects["nets/colours.lai"]
    else:
        damaged = newer[:-40] + bytes([newer[-40] ^ 1]) + newer[-39:]
        store.objects["nets/colours.lai"] = damaged
    if bad == "gone":
        wait_for(lambda: first(server) == "red" and len(store.seen) > 2)
    else:
        wait_for(lambda: first(server) == "red" and server.metric("ai_model_refusals_total") == 1)
    store.objects["nets/colours.lai"] = newer
    wait_for(lambda: first(server) == "rouge")
    server.stop()
    said = [line["message"] for line in server.errors if line["severity"] == "ERROR"]
    assert said and all("'colours'" in line and "serves on" in line for line in said), said


def start(*models, env):
    return subprocess.run(
        [FUNCTION, "--platform", "http", *(word for m in models for word in ("--model", m))],
        env={"PORT": "0", **env},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize(
    ("key", "words"), [("nets/none.lai", "is not there"), ("damaged.lai", ""), ("no.lai", "")]
)
def test_it_does_not_start_without_it(store, tmp_path, key, words):
    whole = store.objects["nets/colours.lai"]
    store.objects["damaged.lai"] = whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:]
    store.objects["no.lai"] = b"<html>"
    ended = start(f"s3://in/{key}", env=store.settings(AI_RECHECK_S="1", TMPDIR=str(tmp_path)))
    assert ended.returncode == 1
    line = json.loads(ended.stderr)
    assert line["severity"] == "ERROR" and Path(key).stem in line["message"], line
    assert words in line["message"]
    assert SECRET not in ended.stderr.decode()
    assert not list(tmp_path.iterdir())


def test_without_ai_fetch(store):
    ended = start("s3://in/a.lai", env={**store.settings(AI_RECHECK_S="1"), "AI_FETCH": "/nowhere/ai-fetch"})
    assert ended.returncode == 1 and b"ai-fetch" in ended.stderr


def test_names(serve, store, models):
    store.objects["b"] = store.objects["nets/colours.lai"]
    server = serve(
        "--model",
        "hues=s3://in/nets/colours.lai",
        "--model",
        "oss://in/b",
        "--model",
        models / "poet.lai",
        env=store.settings(AI_RECHECK_S="1"),
    )
    for name in ("hues", "b"):
        answer = server.post(picture(), f"/models/{name}")
        assert answer.status == 200
        assert re.fullmatch(f"{name}@[0-9a-f]{{16}}", answer.headers["ai-model"])


def test_a_slow_store_holds_nobody_up(serve, store):
    """Neither requests nor the end wait for a look that the store does not answer: they would for a
    minute, and then the log says so."""
    env = store.settings(AI_RECHECK_S="1")
    server = serve("--quiet", "--model", "s3://in/nets/colours.lai", env=env)
    store.hold("nets/colours.lai")
    wait_for(lambda: first(server) == "red" and store.has_come.is_set())
    assert first(server) == "red"
    server.stop()
    assert "ERROR" not in [line["severity"] for line in server.errors]
