#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the handler adds to ai_infer: binary tensors over a kept connection, beside `ai bench`.

usage: overhead.py MODEL.lai [--build build] [--rounds 3] [--runs 200]

One worker, one thread; in turn. The round trip is the load generator's, from sending to the last
byte of the answer, so the caller's half of the copying is in it. Exits 1 where the median is over
0.3 ms above that of ai_infer."""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

import serve

MOST_MS = 0.3


def request(name, shape) -> tuple[bytes, int]:
    count = 1
    for size in shape:
        count *= size
    head = json.dumps({"inputs": [{"name": name, "shape": shape, "datatype": "FP32",
                                   "parameters": {"binary_data_size": 4 * count}}],
                       "parameters": {"binary_data_output": True}}).encode()
    return head + bytes(4 * count), len(head)


def first_input(build, model) -> tuple[str, list[int]]:
    done = subprocess.run([os.path.join(build, "bindings/cli/ai"), "info", "--json", model],
                          check=True, stdout=subprocess.PIPE)
    found = json.loads(done.stdout)["inputs"][0]
    return found["name"], found["shape"]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--build", default=os.path.join(serve.ROOT, "build"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=200)
    args = parser.parse_args()
    body, head = request(*first_input(args.build, args.model))
    name = os.path.basename(args.model).removesuffix(".lai")
    server = serve.Server(
        [os.path.join(args.build, "bindings/faas/ai-function"), "--platform", "http", "--port",
         "PORT", "--quiet", "--threads", 1, "--model", args.model], body,
        "application/octet-stream", f"/v2/models/{name}/infer",
        {"Inference-Header-Content-Length": str(head)})
    bare, whole = [], []
    for _ in range(args.rounds):
        done = subprocess.run([os.path.join(args.build, "bindings/cli/ai"), "bench", args.model,
                               "--json", "--threads", "1", "--runs", str(args.runs)], check=True,
                              stdout=subprocess.PIPE)
        bare.append(json.loads(done.stdout)["median_ms"])
        asks = serve.generate(args.build, server, [0.0] * args.runs, 1, head)
        if not all(a["right"] for a in asks):
            sys.exit("overhead.py: an answer differs")
        whole.append(serve.median((a["done"] - a["sent"]) / 1e3 for a in asks))
    server.stop()
    extra = [b - a for a, b in zip(bare, whole)]
    print(f"{len(body)} bytes: ai_infer {bare}, round trip {whole}, more by {extra} ms (medians)")
    sys.exit(serve.median(extra) > MOST_MS)


if __name__ == "__main__":
    main()
