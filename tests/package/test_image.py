# SPDX-License-Identifier: Apache-2.0
"""The image: what the specification asks, what skopeo and umoci think of it, and that it runs in a
root that holds nothing else."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import tarfile

import pytest
from conftest import ZIPS, build

MEDIA = "application/vnd.oci.image."


def tool(name: str) -> str:
    return shutil.which(name) or pytest.skip(f"{name} is not installed")


@pytest.fixture(params=["oci", "knative"])
def image(request, packed):
    out = packed(request.param)
    return out / "image" if request.param == "knative" else out


def blob(image, descriptor: dict) -> bytes:
    kind, digest = descriptor["digest"].split(":")
    data = (image / "blobs" / kind / digest).read_bytes()
    assert hashlib.sha256(data).hexdigest() == digest
    assert len(data) == descriptor["size"]
    return data


def read(image):
    assert json.loads((image / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((image / "index.json").read_text())
    [reference] = index["manifests"]
    manifest = json.loads(blob(image, reference))
    [layer] = manifest["layers"]
    return (reference, manifest, json.loads(blob(image, manifest["config"])),
            blob(image, layer))


def test_specification(image):
    reference, manifest, config, layer = read(image)
    assert reference["mediaType"] == MEDIA + "manifest.v1+json"
    assert reference["platform"] == {"architecture": config["architecture"], "os": "linux"}
    assert manifest["schemaVersion"] == 2
    assert manifest["config"]["mediaType"] == MEDIA + "config.v1+json"
    assert manifest["layers"][0]["mediaType"] == MEDIA + "layer.v1.tar+gzip"
    assert config["rootfs"] == {"type": "layers", "diff_ids": [
        "sha256:" + hashlib.sha256(gzip.decompress(layer)).hexdigest()]}
    assert len(list((image / "blobs" / "sha256").iterdir())) == 3
    assert config["config"]["Entrypoint"] == ["/ai-function"]
    assert config["config"]["Env"] == ["PORT=8080", "AI_MODEL=/model.lai"]
    user, group = config["config"]["User"].split(":")
    assert int(user) > 0 and int(group) > 0
    assert layer[:10] == b"\x1f\x8b\x08\0\0\0\0\0\x02\x03"  # no time, no name


def test_layer(image, model, handler):
    with tarfile.open(fileobj=io.BytesIO(read(image)[3])) as tar:
        rows = {entry.name: entry for entry in tar.getmembers()}
        assert list(rows) == ["ai-function", "model.lai", "tmp"]
        assert [rows[name].mode for name in rows] == [0o755, 0o644, 0o1777]
        assert {(row.uid, row.gid, row.uname, row.gname, row.mtime) for row in rows.values()} == {
            (0, 0, "", "", 315532800)}
        assert tar.extractfile("model.lai").read() == model.read_bytes()
        assert tar.extractfile("ai-function").read() == handler.read_bytes()


def test_layer_of_several_models(packed, model, other):
    _, _, config, layer = read(packed("oci", models=[model, other]))
    assert "AI_MODEL=/models" in config["config"]["Env"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert tar.getnames() == ["ai-function", "models", "models/Dense_Net.lai",
                                  "models/other.lai", "tmp"]
        assert tar.getmember("models").mode == 0o755


def test_skopeo(image):
    done = subprocess.run([tool("skopeo"), "inspect", f"oci:{image}:latest"], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["Os"], len(told["Layers"])) == ("linux", 1)
    assert told["Architecture"] == read(image)[2]["architecture"]


def test_skopeo_copies(image, tmp_path):
    """A copy is read, checked and written again: the same digest comes out."""
    digest = read(image)[0]["digest"]
    done = subprocess.run([tool("skopeo"), "--insecure-policy", "copy", f"oci:{image}:latest",
                           f"oci:{tmp_path}/copy:latest"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert read(tmp_path / "copy")[0]["digest"] == digest


@pytest.fixture
def root(image, tmp_path):
    """The image, unpacked."""
    flags = [] if os.getuid() == 0 else ["--rootless"]
    done = subprocess.run([tool("umoci"), "unpack", *flags, "--image", f"{image}:latest",
                           tmp_path / "bundle"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return tmp_path / "bundle" / "rootfs"


def test_umoci(root, model):
    assert sorted(path.name for path in root.iterdir()) == ["ai-function", "model.lai", "tmp"]
    assert stat.S_IMODE((root / "ai-function").stat().st_mode) == 0o755
    assert (root / "model.lai").read_bytes() == model.read_bytes()
    config = json.loads((root.parent / "config.json").read_text())
    assert config["process"]["args"] == ["/ai-function"]
    assert config["process"]["user"]["uid"] == 65532


def in_root(root, *command: str, **environment: str) -> subprocess.CompletedProcess:
    if os.getuid() != 0:
        pytest.skip("only root may chroot")
    return subprocess.run([shutil.which("chroot", path="/usr/sbin:/sbin:/usr/bin:/bin"),
                           "--userspec=65532:65532", root, *command], capture_output=True,
                          text=True, env=environment)


def test_image_runs_alone(root):
    done = in_root(root, "/ai-function", AI_MODEL="/model.lai")
    assert (done.returncode, done.stdout) == (0, "/model.lai LAI 65532 /model.lai\n"), done


@pytest.mark.parametrize("platform, program", [*ZIPS.items(), ("azure", "handler")])
def test_package_runs_alone(packed, tmp_path, platform, program):
    """Unpacked by a program that keeps modes, in a root without /proc, /sys, /etc and HOME."""
    out = packed(platform)
    root = tmp_path / "root"
    if platform in ZIPS:
        root.mkdir()
        root.chmod(0o755)
        subprocess.run([tool("unzip"), "-q", out, "-d", root], check=True)
    else:
        shutil.copytree(out, root)
    tmp_path.chmod(0o755)
    done = in_root(root, f"/{program}")
    assert (done.returncode, done.stdout) == (0, "/model.lai LAI 65532 -\n"), done


DYNAMIC = r"""
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
int second(void);
int main(void)
{
    printf("%d %.1f\n", second(), sqrt(atof("6.25")));
    return 0;
}
"""


@pytest.fixture(scope="module")
def fetcher(folder):
    """A program with a library of its own, found by its run path, and with libm."""
    (folder / "own").mkdir()
    build(folder, "own/libsecond.so.1", "int second(void) { return 2; }", "-shared", "-fPIC",
          "-Wl,-soname,libsecond.so.1")
    return build(folder, "fetcher", DYNAMIC, str(folder / "own/libsecond.so.1"), "-lm",
                 "-Wl,-rpath,$ORIGIN/own")


@pytest.fixture(scope="module")
def certificates(folder):
    path = folder / "certificates.crt"
    path.write_text("-----BEGIN CERTIFICATE-----\n")
    return path


def test_store_runs_alone(packed, fetcher, certificates, tmp_path):
    """With the loader and the libraries of its own it needs nothing of where it runs."""
    out = packed("oci", "--store", "--fetch", fetcher, "--certificates", certificates)
    with tarfile.open(fileobj=io.BytesIO(read(out)[3])) as tar:
        names = tar.getnames()
        assert names == sorted(names)
        tar.extractall(tmp_path / "root")
    libraries = {name for name in names if name.startswith("fetch/lib/")}
    [loader] = [name for name in libraries if "/ld-" in name]
    assert libraries == {loader, "fetch/lib/libc.so.6", "fetch/lib/libm.so.6",
                         "fetch/lib/libsecond.so.1"}
    assert {"fetch", "fetch/lib", "fetch/ai-fetch", "fetch/ca-certificates.crt"} < set(names)
    tmp_path.chmod(0o755)
    (tmp_path / "root").chmod(0o755)
    done = in_root(tmp_path / "root", f"/{loader}", "--library-path", "/fetch/lib",
                   "/fetch/ai-fetch")
    assert (done.returncode, done.stdout) == (0, "2 2.5\n"), done


def test_store_of_a_service(packed, fetcher, certificates):
    yaml = pytest.importorskip("yaml")
    out = packed("knative", "--store", "--fetch", fetcher, "--certificates", certificates)
    spec = yaml.safe_load((out / "service.yaml").read_text())["spec"]["template"]["spec"]
    assert spec["containers"][0]["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert spec["volumes"] == [{"name": "tmp", "emptyDir": {"medium": "Memory"}}]


def test_store_refusals(package, ai, fetcher, handler, certificates, folder, tmp_path):
    common = ["--store", "--certificates", certificates]
    package("lambda", *common, "--fetch", handler)[1].failed(handler, "is a static program")
    none = tmp_path / "none"
    package("lambda", *common, "--fetch", none)[1].failed(none, "No such file")
    package("lambda", "--store", "--fetch", fetcher, "--certificates", none)[1].failed(
        none, "No such file")
    lonely = tmp_path / "lonely"  # its library lies beside the other one
    shutil.copy(fetcher, lonely)
    package("lambda", *common, "--fetch", lonely)[1].failed(
        lonely, "needs 'libsecond.so.1', which is not installed")
    cut = tmp_path / "cut"
    cut.write_bytes(fetcher.read_bytes()[:3000])
    package("lambda", *common, "--fetch", cut)[1].failed(cut, "cut off")
    done = package("lambda", "--store")[1]
    if done.status:
        done.failed("ai-fetch", "--fetch PATH")
