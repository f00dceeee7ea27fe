# SPDX-License-Identifier: Apache-2.0
"""Models by https from a server whose certificate a test's own authority has signed: fetched by the
ETag, replaced, refused and named."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import ssl
import subprocess
import threading

import pytest
from conftest import FUNCTION, PATIENCE, wait_for
from store import Store
from test_models_from_store import first, newer  # noqa: F401

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(not OPENSSL, reason="openssl, which makes certificates, is not here")


def openssl(*arguments):
    subprocess.run([OPENSSL, *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Makes certificates for a host, signed by one authority, whose own lies in ca.pem."""
    folder = tmp_path_factory.mktemp("tls")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", folder / "ca.key", "-out", folder / "ca.pem", "-days",
            "2", "-subj", "/CN=test authority", "-addext", "basicConstraints=critical,CA:TRUE")

    def certify(host, context=None):
        request, out = folder / f"{host}.csr", folder / f"{host}.pem"
        extension = folder / f"{host}.ext"
        extension.write_text(f"subjectAltName=DNS:{host}\n")
        openssl("req", *key, "-keyout", folder / f"{host}.key", "-out", request, "-subj", "/CN=x")
        openssl("x509", "-req", "-in", request, "-CA", folder / "ca.pem", "-CAkey",
                folder / "ca.key", "-CAcreateserial", "-days", "2", "-out", out, "-extfile",
                extension)
        context = context or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(out, folder / f"{host}.key")
        return context

    certify.file = folder / "ca.pem"
    return certify


@pytest.fixture
def start_store(authority, models):
    started = []

    def start(host="localhost"):
        started.append(Store(authority(host)))
        started[-1].objects["colours.lai"] = (models / "colours.lai").read_bytes()
        started[-1].model = f"https://localhost:{started[-1].port}/plain/colours.lai"
        return started[-1]

    yield start
    for store in started:
        store.close()


def settings(certificates):
    return {"AI_FETCH": os.environ["AI_FETCH"], "AI_RECHECK_S": "1",
            "SSL_CERT_FILE": str(certificates)}


def test_fetched_and_replaced(serve, start_store, authority, newer):  # noqa: F811
    store = start_store()
    server = serve("--model", store.model, env=settings(authority.file))
    assert first(server) == "red"
    wait_for(lambda: first(server) == "red" and len(store.seen) > 1)
    etag = f'"{hashlib.md5(store.objects["colours.lai"]).hexdigest()}"'
    assert [one[2].get("If-None-Match") for one in store.seen[:2]] == [None, etag]
    assert server.metric("ai_model_reloads_total") == 0
    store.objects["colours.lai"] = newer[:-40] + bytes([newer[-40] ^ 1]) + newer[-39:]
    wait_for(lambda: first(server) == "red" and server.metric("ai_model_refusals_total") == 1)
    store.objects["colours.lai"] = newer
    wait_for(lambda: first(server) == "rouge")
    server.stop()
    (said,) = [line["message"] for line in server.errors if line["severity"] == "ERROR"]
    assert "'colours'" in said and "serves on" in said


def refused(url, certificates):
    """It does not start; returns why."""
    ended = subprocess.run([FUNCTION, "--platform", "http", "--model", url], timeout=PATIENCE,
                           check=False,
                           env={"PORT": "0", **settings(certificates)}, capture_output=True)
    assert ended.returncode == 1, ended
    line = json.loads(ended.stderr)
    assert line["severity"] == "ERROR" and url in line["message"]
    return line["message"]


def test_certificates_that_are_not_trusted(start_store, authority):
    store, other = start_store(), start_store("other.example")
    system = ssl.get_default_verify_paths().openssl_cafile
    assert "not trusted" in refused(store.model, system)
    assert "another host's" in refused(other.model, authority.file)
    assert "cannot be read" in refused(store.model, "/nowhere/ca.pem")
    assert not store.seen and not other.seen


def test_certificate_that_ends_to_be_trusted(serve, start_store, authority):
    """The server comes back with another one: what is there serves on, and the log says why."""
    store = start_store()
    server = serve("--model", store.model, env=settings(authority.file))
    assert first(server) == "red"
    authority("other.example", store.tls)
    reader = threading.Thread(target=read_error, args=(server,))
    reader.start()
    wait_for(lambda: first(server) == "red" and not reader.is_alive())  # requests make it look
    assert "'colours'" in server.error and "serves on" in server.error
    assert "certificate" in server.error


def read_error(server):
    while json.loads(line := server.process.stderr.readline())["severity"] != "ERROR":
        pass
    server.error = json.loads(line)["message"]
