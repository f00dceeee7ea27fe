# SPDX-License-Identifier: Apache-2.0
"""What is in a package: names, modes, times, what lies beside it, and that all of it is the same
each time."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import zipfile
from pathlib import Path

import pytest
from conftest import PLATFORMS, ZIPS, tree


def read_yaml(path):
    return pytest.importorskip("yaml").safe_load(path.read_text())


def entries(path) -> dict[str, zipfile.ZipInfo]:
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        names = file.namelist()
        assert names == sorted(names)
        return {entry.filename: entry for entry in file.infolist()}


@pytest.mark.parametrize("platform, program", ZIPS.items())
def test_zip(packed, model, handler, platform, program):
    out = packed(platform)
    found = entries(out)
    assert set(found) == {program, "model.lai"}
    for name, mode in ((program, 0o755), ("model.lai", 0o644)):
        entry = found[name]
        assert entry.create_system == 3  # Unix: the mode counts
        assert entry.external_attr >> 16 == stat.S_IFREG | mode
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
    with zipfile.ZipFile(out) as file:
        assert file.read(program) == handler.read_bytes()
        assert file.read("model.lai") == model.read_bytes()


def test_several_models(packed, model, other):
    out = packed("lambda", models=[other, model])
    assert list(entries(out)) == ["bootstrap", "models/Dense_Net.lai", "models/other.lai"]


def test_lambda_policy(packed):
    out = packed("lambda", "--name", "poet", "--read", "in-bucket/cats/", "--write", "results")
    policy = json.loads(out.with_name("lambda.policy.json").read_text())
    assert policy["Version"] == "2012-10-17"
    log, read, write = policy["Statement"]
    assert all(part["Effect"] == "Allow" for part in policy["Statement"])
    assert log["Action"] == ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    assert all(":log-group:/aws/lambda/poet" in resource for resource in log["Resource"])
    assert (read["Action"], read["Resource"]) == (["s3:GetObject"],
                                                  ["arn:aws:s3:::in-bucket/cats/*"])
    assert (write["Action"], write["Resource"]) == (["s3:PutObject"], ["arn:aws:s3:::results/*"])


def test_lambda_policy_allows_no_objects_unasked(packed):
    out = packed("lambda")
    text = out.with_name("lambda.policy.json").read_text()
    assert "s3:" not in text
    assert '"*"' not in text


def test_fc_deployment(packed, tmp_path):
    packed("aliyun-fc", "--read", "in-bucket")
    deployment = read_yaml(tmp_path / "s.yaml")
    assert deployment["edition"] == "3.0.0"
    [(name, resource)] = deployment["resources"].items()
    assert (name, resource["component"]) == ("dense-net", "fc3")
    props = resource["props"]
    assert props["functionName"] == "dense-net"
    assert props["code"] == "aliyun-fc.zip"
    assert (tmp_path / props["code"]).is_file()
    assert props["runtime"].startswith("custom")
    assert props["customRuntimeConfig"] == {"command": ["/code/bootstrap"], "port": 9000}
    assert props["memorySize"] % 64 == 0
    assert 1 <= props["memorySize"] / 1024 / props["cpu"] <= 4  # what the platform allows
    policy = json.loads((tmp_path / "aliyun-fc.policy.json").read_text())
    assert policy["Statement"] == [{"Effect": "Allow", "Action": ["oss:GetObject"],
                                    "Resource": ["acs:oss:*:*:in-bucket/*"]}]


@pytest.mark.parametrize("memory", [128, 200, 512, 1000, 3072])
def test_fc_processor_follows_memory(packed, tmp_path, memory):
    packed("aliyun-fc", "--memory", memory)
    [resource] = read_yaml(tmp_path / "s.yaml")["resources"].values()
    assert resource["props"]["memorySize"] == memory
    assert 1 <= memory / 1024 / resource["props"]["cpu"] <= 4
    assert round(resource["props"]["cpu"] * 100) % 5 == 0


def test_azure(packed, handler):
    out = packed("azure", "--name", "look")
    files = tree(out)
    assert set(files) == {"host.json", "local.settings.json", "look/function.json", "handler",
                          "model.lai"}
    assert stat.S_IMODE(files["handler"][0]) == 0o755
    assert stat.S_IMODE(files["model.lai"][0]) == 0o644
    assert files["handler"][1] == handler.read_bytes()
    host = json.loads(files["host.json"][1])
    assert host["version"] == "2.0"
    assert host["customHandler"]["description"]["defaultExecutablePath"] == "handler"
    bindings = json.loads(files["look/function.json"][1])["bindings"]
    assert [(row["type"], row["direction"], row["name"]) for row in bindings] == [
        ("httpTrigger", "in", "req"), ("http", "out", "res")]
    assert bindings[0]["authLevel"] == "function"
    settings = json.loads(files["local.settings.json"][1])
    assert settings["Values"]["FUNCTIONS_WORKER_RUNTIME"] == "Custom"


def test_knative_service(packed):
    """Knative's own fields aside, the template must be a pod that Kubernetes takes."""
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    out = packed("knative", "--image", "registry.example/ai/dense:1", "--name", "dense")
    service = read_yaml(out / "service.yaml")
    assert (service["apiVersion"], service["kind"]) == ("serving.knative.dev/v1", "Service")
    spec = dict(service["spec"]["template"]["spec"])
    assert (spec.pop("containerConcurrency"), spec.pop("timeoutSeconds")) == (1, 300)
    labels = {"app": "dense"}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment",
                  "metadata": service["metadata"],
                  "spec": {"selector": {"matchLabels": labels},
                           "template": {"metadata": {"labels": labels}, "spec": spec}}}
    version = kubernetes_validate.latest_version()
    kubernetes_validate.validate(deployment, version, strict=True)
    [container] = spec["containers"]
    assert container["image"] == "registry.example/ai/dense:1"
    assert container["securityContext"]["runAsNonRoot"] is True
    assert container["ports"][0]["containerPort"] == 8080
    container["ports"][0]["containerPorts"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, version, strict=True)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_same_bytes(package, model, other, tmp_path, platform):
    """Another time, zone, folder, mask and file times: no difference."""
    trees = []
    for i, zone in enumerate(("UTC0", "Asia/Shanghai", "America/New_York")):
        out = tmp_path / str(i) / ("p.zip" if platform in ZIPS else "p")
        out.parent.mkdir()
        copies = [tmp_path / str(i) / "copies" / path.name for path in (model, other)]
        copies[0].parent.mkdir()
        for path, copy in zip((model, other), copies):
            shutil.copy(path, copy)
            copy.chmod((0o600, 0o777, 0o644)[i])
            os.utime(copy, (10 ** 9 * (i + 1),) * 2)
        mask = os.umask((0o022, 0o077, 0o002)[i])
        try:
            done = package(platform, models=copies, out=out, env={"TZ": zone})[1]
        finally:
            os.umask(mask)
        assert done.status == 0, done
        shutil.rmtree(copies[0].parent)
        trees.append({name: data for name, (_, data) in tree(out.parent).items()})
    assert len(trees[0]) > 0
    assert trees[0] == trees[1] == trees[2]


@pytest.mark.parametrize("platform", ["lambda", "oci"])
def test_source_date_epoch(packed, tmp_path, platform):
    when = 1700000000  # 2023-11-14T22:13:20Z
    out = packed(platform, env={"SOURCE_DATE_EPOCH": str(when)})
    if platform == "lambda":
        assert {entry.date_time for entry in entries(out).values()} == {(2023, 11, 14, 22, 13, 20)}
    else:
        assert b'"created":"2023-11-14T22:13:20Z"' in b"".join(
            data for _, data in tree(out).values() if len(data) < 4096)


def test_source_date_epoch_that_is_none(package, tmp_path):
    for text in ("yesterday", "-1", "12345678901"):
        package("lambda", env={"SOURCE_DATE_EPOCH": text})[1].failed("SOURCE_DATE_EPOCH", text)
    assert list(tmp_path.iterdir()) == []


def test_what_is_told(package):
    out, done = package("lambda")
    size = out.stat().st_size
    assert done.out.splitlines()[0].startswith(f"{out}: {size / 2 ** 20:.1f} MiB, unpacked ")
    assert "memory of an instance: 256 MiB" in done.out


def test_limits_are_written_down():
    """The table of the documents is that of the program."""
    source = Path(os.environ["AI_SOURCE"])
    rows = re.findall(r'^AI_LIMIT\("([a-z-]+)", (\w+), (\d+), "[^"]+", "(\d{4}-\d\d)"',
                      (source / "bindings/package/limits.def").read_text(), re.M)
    text = (source / "docs/platforms.md").read_text()
    told = re.findall(r"^\| ([a-z-]+) \| (\w+) \| (\d+) \|", text, re.M)
    assert len(rows) > 8
    assert [(name, what.lower(), mib) for name, what, mib, _ in rows] == told
    assert {date for _, _, _, date in rows} == {re.search(r"as of (\d{4}-\d\d)", text)[1]}


def test_shipped_handler_is_found(ai, model, tmp_path):
    """Where the handler is built, it is packed without being named; else the message says how. That
    of a build with sanitizers or back ends is no static one, and is refused."""
    out = tmp_path / "p.zip"
    done = ai("package", "-p", "lambda", "-m", model, "-o", out)
    if "needed is a static one" in done.err:
        assert done.status == 1 and not out.exists()
    elif done.status:
        done.failed("ai-function", "--handler PATH")
        assert not out.exists()
    else:
        assert "bootstrap" in entries(out)
