# SPDX-License-Identifier: Apache-2.0
"""Initialisers run the model's self-test: one that fails is named, and the function does not come up."""

import json
import re
import shutil
import subprocess

import pytest

from conftest import FUNCTION, PATIENCE, picture
from test_http import ranking
from test_lambda import start  # noqa: F401  (a fixture)

WORDS = "model 'colours' fails its self-test: output 'logits'"


@pytest.fixture(scope="module")
def wrong(models, tmp_path_factory):
    """A file whose stored digest is another than what is computed."""
    path = tmp_path_factory.mktemp("wrong") / "colours.lai"
    data = (models / "colours.lai").read_bytes()
    at = re.search(rb'"sha256":"([0-9a-f])', data[data.index(b'{"seed":'):])
    place = data.index(b'{"seed":') + at.start(1)
    path.write_bytes(data[:place] + (b"0" if at[1] != b"0" else b"1") + data[place + 1:])
    return path


def test_flag(serve, models, wrong, tmp_path):
    server = serve("--model", wrong)  # an ordinary start does not take the time
    assert ranking(server.post(picture()))[0] == "red"
    for flags, env in ((["--self-test"], {}), ([], {"AI_SELF_TEST": "1"})):
        done = subprocess.run([FUNCTION, "--platform", "http", "--model", wrong, *flags],
                              capture_output=True, timeout=PATIENCE, env={"PORT": "0", **env})
        assert done.returncode == 1 and not done.stdout
        assert WORDS in json.loads(done.stderr.splitlines()[-1])["message"]
    folder = tmp_path / "both"  # any of several
    folder.mkdir()
    shutil.copy(models / "poet.lai", folder / "a.lai")
    server = serve("--model", folder, "--self-test")
    assert server.ask("GET", "/readyz").status == 200
    shutil.copy(wrong, folder)
    done = subprocess.run([FUNCTION, "--platform", "http", "--model", folder, "--self-test"],
                          capture_output=True, timeout=PATIENCE, env={"PORT": "0"})
    assert done.returncode == 1 and WORDS.encode() in done.stderr


def test_function_compute(serve, models, wrong):
    """/initialize: a reserved instance."""
    hook = {"x-fc-request-id": "1", "x-fc-control-path": "/initialize"}
    server = serve("--model", models, "--port", "0", platform="aliyun-fc")
    answer = server.ask("POST", "/initialize", b"", hook)
    assert answer.status == 200 and answer.headers["x-fc-status"] == "200"
    server = serve("--model", wrong, "--port", "0", platform="aliyun-fc")
    answer = server.ask("POST", "/initialize", b"", hook)
    assert answer.status == 500 and answer.headers["x-fc-status"] == "404"
    assert answer.json["errorType"] == "Function.SelfTest" and WORDS in answer.json["errorMessage"]


@pytest.mark.parametrize("kind", ["provisioned-concurrency", "on-demand"])
def test_lambda(start, wrong, kind):  # noqa: F811
    """With provisioned concurrency the init fails; on demand the first event does not wait for it."""
    api, function = start(wrong, env={"AWS_LAMBDA_INITIALIZATION_TYPE": kind})
    if kind == "on-demand":
        assert api.invoke({"image": "aGVsbG8="}).kind in ("response", "error")
        return
    result = api.results.get(timeout=PATIENCE)
    assert result.kind == "init/error" and WORDS in result.json["errorMessage"]
    status, err = function.end()
    assert status != 0 and "self-test" in err
    assert len(api.asked) == 1  # no `next`
