# SPDX-License-Identifier: Apache-2.0
"""The plain HTTP server: pictures, texts, faults, limits, health, the end."""
import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

import libai
from conftest import FUNCTION, PATIENCE, Asking, picture, save_colours, wait_for
from store import Store


def ranking(answer):
    assert answer.status == 200, answer.data
    assert answer.json["statusCode"] == 200
    return [row["label"] for row in answer.json["body"]]


def raw(server, data, wait=PATIENCE):
    """What comes back for these bytes until the server closes or is silent."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as s:
        s.sendall(data)
        got = b""
        try:
            while part := s.recv(65536):
                got += part
        except TimeoutError:
            pass
        return got


# ---- Pictures ----

@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("colour, best", [((250, 10, 10), "red"), ((5, 240, 20), "green")])
def test_image_body(server, kind, colour, best):
    answer = server.post(picture(colour, kind), type=f"image/{kind.lower()}")
    assert ranking(answer)[0] == best
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["ai-model"].startswith("colours@")
    for name in ("ai-duration-ms", "ai-cpu-ms", "ai-peak-mib"):
        assert float(answer.headers[name]) >= 0


def test_answer_is_that_of_the_binding(server, models):
    data = picture((100, 90, 80))
    with libai.Classifier(models / "colours.lai") as classifier:
        expected = classifier(data, top=3)
    rows = server.post(data).json["body"]
    assert [(r["rank"], r["label"], r["index"]) for r in rows] == [
        (c.rank, c.label, c.index) for c in expected]
    assert [r["score"] for r in rows] == pytest.approx([c.score for c in expected])


def test_image_is_told_by_its_bytes(server):
    assert ranking(server.post(picture(), type="application/x-www-form-urlencoded"))[0] == "red"


@pytest.mark.parametrize("form", ["json", "data", "url-alphabet", "text"])
def test_base64(server, form):
    data = picture((10, 10, 250))
    text = base64.b64encode(data).decode()
    if form == "text":
        answer = server.post(text, type="text/plain")
    elif form == "data":
        answer = server.post_json({"image": "data:image/png;base64," + text})
    elif form == "url-alphabet":
        answer = server.post_json({"image": base64.urlsafe_b64encode(data).decode().rstrip("=")})
    else:
        answer = server.post_json({"image": text})
    assert ranking(answer)[0] == "blue"


def test_top(server):
    assert len(ranking(server.post(picture(), "/?top=1"))) == 1
    image = base64.b64encode(picture()).decode()
    assert len(ranking(server.post_json({"image": image, "top": 2}))) == 2
    for top in ("0", "x", "100000"):
        server.post(picture(), f"/?top={top}").failed(400, "BadInput", "'top'")


# ---- Texts ----

def test_poem(server, models):
    with libai.TextModel(models / "poet.lai") as poet:
        expected = poet(seed=7, start="春")
    wish = {"seed": 7, "start": "春"}
    for answer in (server.post_json(wish, "/models/poet"),
                   server.post_json(wish, "/?model=poet"),
                   server.ask("GET", "/models/poet?seed=7&start=%E6%98%A5"),
                   server.post("春".encode(), "/models/poet?seed=7", "text/plain")):
        assert answer.json == {"statusCode": 200, "body": {"seed": 7, "text": expected}}
    drawn = {server.post_json({}, "/models/poet").json["body"]["text"] for _ in range(3)}
    assert len(drawn) == 3  # without a seed each is another


@pytest.mark.parametrize("wish, words", [
    ({"seed": -1}, "'seed'"), ({"seed": 1.5}, "'seed'"), ({"seed": "x"}, "'seed'"),
    ({"temperature": 0}, "'temperature'"), ({"top_p": 2}, "top-p"), ({"start": 3}, "'start'"),
    ({"start": "Q"}, "start"), ({"acrostic": "春"}, "acrostic"), ({"script": "runes"}, "'script'"),
    ({"script": "simplified"}, "'simplified'")])
def test_bad_wishes(server, wish, words):
    server.post_json(wish, "/models/poet").failed(400, "BadInput", words)


def test_poem_as_events(server, models):
    server.connection.request("POST", "/models/poet", json.dumps({"seed": 3}),
                              {"Accept": "text/event-stream"})
    response = server.connection.getresponse()
    assert response.getheader("Content-Type") == "text/event-stream"
    assert response.getheader("Transfer-Encoding") == "chunked"
    events = response.read().decode().split("\n\n")
    assert events.pop() == ""
    name, data = events.pop().split("\n")
    with libai.TextModel(models / "poet.lai") as poet:
        assert name == "event: end"
        assert json.loads(data.removeprefix("data: ")) == {"seed": 3, "text": poet(seed=3)}
        assert [json.loads(e.removeprefix("data: "))["text"] for e in events] == list(
            poet.write(seed=3))


def test_poem_as_plain_stream(server, models):
    answer = server.post_json({"seed": 3, "stream": True}, "/models/poet")
    with libai.TextModel(models / "poet.lai") as poet:
        assert answer.data.decode() == poet(seed=3)
    server.post_json({"start": "Q", "stream": True}, "/models/poet").failed(400, "BadInput")


# ---- What is refused ----

def test_bad_bodies(server):
    image = picture()
    server.post(b"").failed(400, "BadInput", "body is empty")
    server.post(image[:60]).failed(400, "BadInput")
    server.post(b"RIFF....WEBP", type="image/webp").failed(415, "TypeNotRead", "image/webp")
    server.post(b"--x\r\n", type="multipart/form-data; boundary=x").failed(415, "TypeNotRead")
    server.post(b"\x00\x01\x02\x03").failed(415, "TypeNotRead", "neither JPEG, PNG nor JSON")
    server.post(b"hello", type="text/plain").failed(415, "TypeNotRead")
    server.post(b"{", type="application/json").failed(400, "BadInput", "JSON", "line 1")
    server.post(b'{"image":"a b"}').failed(400, "BadInput", "base64 has byte 0x20 at 1")
    server.post(b'{"image":"abcde"}').failed(400, "BadInput", "ends within a byte")
    server.post(b'{"a":1,"a":2}').failed(400, "BadInput", "JSON")
    server.post(b"{}").failed(400, "BadInput", "no event that is known")
    server.post(b"[" * 100_000).failed(400, "BadInput", "nested deeper than 64")
    server.post(b"[" + b"0," * 1_100_000 + b"0]").failed(400, "BadInput", "more than")
    server.post_json({"start": "x"}).failed(400, "BadInput", "names pictures")
    server.post(image, "/models/poet").failed(400, "BadInput", "writes text")
    server.post(image, Content_Encoding="gzip").failed(415, "TypeNotRead", "gzip")
    assert ranking(server.post(image))[0] == "red"  # and it lives


def test_wrong_paths_and_methods(server):
    server.ask("GET", "/nothing").failed(404, "NotFound", "/nothing")
    server.post(picture(), "/models/absent").failed(404, "ModelNotFound", "'absent'")
    server.post(picture(), "/?model=absent").failed(404, "ModelNotFound", "'absent'")
    answer = server.ask("DELETE", "/")
    answer.failed(405, "MethodNotAllowed", "DELETE")
    assert answer.headers["allow"] == "GET HEAD"


def test_what_is_no_http(server):
    for data in (b"\x16\x03\x01\x00\xa5", b"POST / HTTP/9.9\r\n\r\n", b"GET  HTTP/1.1\r\n\r\n",
                 b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
                 b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
                 b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                 b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", b"A" * 100_000 + b"\r\n\r\n"):
        got = raw(server, data, 0.3)
        assert not got or got.startswith(b"HTTP/1.1 4") or got.startswith(b"HTTP/1.1 5"), got
    assert server.ask("GET", "/").status == 200


def test_too_large(serve, models):
    server = serve("--model", models, "--most-bytes", "100000")
    assert ranking(server.post(picture() + b"\0" * 50_000))[0] == "red"
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n"
    # Neither the body nor its begin was sent: the answer does not wait for it.
    assert raw(server, head + b"\r\n").startswith(b"HTTP/1.1 413 ")
    assert raw(server, head + b"Expect: 100-continue\r\n\r\n").startswith(b"HTTP/1.1 413 ")
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert raw(server, chunked + b"20000\r\n" + b"x" * 110_000).startswith(b"HTTP/1.1 413 ")
    assert server.metric("ai_peak_memory_bytes") < 64 << 20


def test_continue_and_chunks(server):
    data = picture()
    head = (b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(data))
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as s:
        s.sendall(head)
        assert s.recv(100).startswith(b"HTTP/1.1 100 ")
        s.sendall(data)
        assert s.recv(100).startswith(b"HTTP/1.1 200 ")
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(data[i:i + 50]), data[i:i + 50])
                      for i in range(0, len(data), 50)) + b"0\r\n\r\n"
    got = raw(server, b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
              b"TRANSFER-ENCODING: chunked\r\n\r\n" + chunks)
    assert b'"label":"red"' in got


# ---- Health, load, the end ----

def test_health(server):
    for path in ("/", "/health", "/readyz", "/livez", "/v2/health/live", "/v2/health/ready"):
        assert server.ask("GET", path).status == 200, path
        head = server.ask("HEAD", path)
        assert (head.status, head.data) == (200, b"")


HELD = b'{"bucket":"in","key":"red.png"}'


@pytest.fixture
def store():
    """It does not give the picture: the only worker that asks for it is busy until let_go."""
    one = Store()
    one.objects["red.png"] = picture()
    one.hold("red.png")
    yield one
    one.close()


def test_busy(serve, models, store):
    """One runs, two wait, the others are told to come again, health answers all the time."""
    server = serve("--model", models, "--queue", "2", "--threads", "1", env=store.settings())
    first = Asking(server, 1, HELD)
    server.wait_metric("ai_running_requests", 1)
    others = Asking(server, 2, HELD)
    server.wait_metric("ai_waiting_requests", 2)
    refused = server.post(HELD)
    refused.failed(429, "Busy", "2 requests are waiting")
    assert refused.headers["retry-after"] == "1"
    assert server.ask("GET", "/readyz").status == 200
    assert server.metric("ai_running_requests") == 1  # still: all this happened during one
    store.let_go()
    assert first.join() + others.join() == [200, 200, 200]
    assert server.metric("ai_refused_total") == 1


@pytest.fixture(scope="module")
def slow_models(tmp_path_factory):
    """A poet whose text takes a minute."""
    from conftest import make_poet
    folder = tmp_path_factory.mktemp("slow")
    recipe = {"first": 1, "start": 0, "length": 1_000_000}
    path = make_poet(folder, "abcdefgh", recipe, hidden=256, places=0)
    (folder / "models").mkdir()
    path.rename(folder / "models" / "slow.lai")
    return folder / "models"


def test_timeout(serve, slow_models):
    server = serve("--model", slow_models, "--timeout", "30", "--threads", "1")
    server.ask("POST", "/models/slow", b'{"seed":1}').failed(504, "Timeout", "over")


def test_caller_goes(serve, slow_models):
    """A text that nobody reads any more is not written on."""
    server = serve("--model", slow_models, "--threads", "1")
    with socket.create_connection(("127.0.0.1", server.port)) as s:
        s.sendall(b"POST /models/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 24\r\n\r\n"
                  b'{"seed":1,"stream":true}')
        assert s.recv(10)
    server.wait_metric("ai_running_requests", 0)
    assert server.ask("GET", "/").status == 200
    (line,) = server.stop()
    assert line["status"] == 499 and line["fault"] == "Function.CallerGone"


def test_sigterm_lets_requests_end(serve, models, store):
    server = serve("--model", models, "--threads", "1", env=store.settings())
    first = Asking(server, 1, HELD)
    server.wait_metric("ai_running_requests", 1)
    second = Asking(server, 1, HELD)
    server.wait_metric("ai_waiting_requests", 1)
    server.process.send_signal(signal.SIGTERM)

    def is_refused():
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE).close()
        except ConnectionError:
            return True

    wait_for(is_refused)
    assert server.process.poll() is None
    store.let_go()
    log = server.stop()
    assert first.join() + second.join() == [200, 200]
    assert [line["status"] for line in log] == [200, 200]


def test_log(serve, models):
    server = serve("--model", models)
    server.post(picture(), X_Request_Id="abc")
    server.post(b"{")
    server.ask("GET", "/health")
    good, bad = server.stop()
    assert good["id"] == "abc" and good["status"] == 200 and good["model"].startswith("colours@")
    assert good["bytes_in"] == len(picture()) and good["ms"] >= good["answer_ms"] > 0
    assert good["cpu_ms"] >= 0 and good["peak_kib"] > 1000
    assert bad["status"] == 400 and "JSON" in bad["error"] and bad["fault"] == "Function.BadInput"


def test_serve(serve, models):
    """`ai serve` is the same program."""
    server = serve("--threads", "1", models, command=[os.environ["AI_BIN"], "serve"])
    assert ranking(server.post(picture()))[0] == "red"
    assert server.stop()[0]["status"] == 200


@pytest.mark.parametrize("flags, words", [
    (["--port", "70000"], "--port"), (["--workers", "x"], "--workers"),
    (["--platform", "moon"], "'moon'"), (["--model", "/absent.lai"], "/absent.lai"),
    (["--address", "moon"], "'moon'")])
def test_bad_flags(models, flags, words):
    """One line says what is wrong."""
    model = [] if flags[0] == "--model" else ["--model", models]
    done = subprocess.run([FUNCTION, *map(str, model), *flags], capture_output=True, timeout=PATIENCE,
                          env={"PORT": "0"})
    assert done.returncode != 0 and not done.stdout
    (line,) = done.stderr.splitlines()
    assert words in json.loads(line)["message"]


@pytest.mark.parametrize("folder", [".", "models"])
def test_models_beside_the_program(serve, models, tmp_path, folder):
    """As packages lay them; and in a root that holds nothing else, not even /proc."""
    shutil.copy(FUNCTION, tmp_path / "ai-function")
    (tmp_path / folder).mkdir(exist_ok=True)
    shutil.copy(models / "colours.lai", tmp_path / folder)
    server = serve(command=[tmp_path / "ai-function"])
    assert ranking(server.post(picture()))[0] == "red"
    if os.geteuid() == 0 and not os.environ.get("ASAN_OPTIONS"):
        server = serve(command=["chroot", tmp_path, "/ai-function"])
        assert ranking(server.post(picture()))[0] == "red"


# ---- Models that change while they serve ----

def test_reload(serve, tmp_path):
    path = save_colours(tmp_path / "m.lai")
    server = serve("--model", path)
    old = server.post(picture()).headers["ai-model"]
    time.sleep(1.1)
    bad = bytearray(path.read_bytes())
    bad[-3000] ^= 1
    (tmp_path / "new").write_bytes(bad)
    os.rename(tmp_path / "new", path)
    assert server.post(picture()).headers["ai-model"] == old
    assert server.metric("ai_model_refusals_total") == 1
    time.sleep(1.1)
    save_colours(tmp_path / "n.lai", ["rot", "grün", "blau"])
    os.rename(tmp_path / "n.lai", path)
    answer = server.post(picture())
    assert ranking(answer)[0] == "rot" and answer.headers["ai-model"] != old
    assert server.metric("ai_model_reloads_total") == 1
    os.remove(path)
    time.sleep(1.1)
    assert ranking(server.post(picture()))[0] == "rot"  # one that is gone serves on
    server.stop()
    assert any("refused" in line["message"] for line in server.errors)
