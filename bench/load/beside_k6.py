#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The load generator beside k6: the same server, the same even arrivals, both report latencies.

usage: beside_k6.py MODEL.lai BODY TYPE RATE... [--k6 k6] [--seconds 6] [--rounds 2]

One worker of one thread; in turn; ms from sending to the answer. k6: `go install go.k6.io/k6@latest`."""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile

import serve


def by_load(args, server, rate) -> dict:
    times = [i / rate for i in range(int(rate * args.seconds))]
    asks = serve.generate(args.build, server, times, 64)
    took = [(a["done"] - a["sent"]) / 1e3 for a in asks if a["status"]]
    return {"min": min(took), "med": serve.median(took), "p(90)": serve.quantile(took, 0.9),
            "p(99)": serve.quantile(took, 0.99), "max": max(took), "count": len(asks),
            "failed": sum(a["status"] != 200 for a in asks)}


def by_k6(args, server, rate) -> dict:
    settings = {"BODY": os.path.abspath(args.body), "TYPE": args.type, "RATE": rate,
                "SECONDS": f"{args.seconds:g}", "PORT": server.port}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "summary.json")
        flags = [word for pair in settings.items() for word in ("-e", "{}={}".format(*pair))]
        subprocess.run([args.k6, "run", "-q", "--no-usage-report", "--summary-export", path, *flags,
                        os.path.join(serve.HERE, "beside_k6.js")], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)["metrics"]
    return {**found["http_req_duration"], "count": found["http_reqs"]["count"],
            "failed": found["http_req_failed"]["passes"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("body")
    parser.add_argument("type")
    parser.add_argument("rates", type=int, nargs="+")
    parser.add_argument("--k6", default="k6")
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--build", default=os.path.join(serve.ROOT, "build"))
    args = parser.parse_args()
    with open(args.body, "rb") as stream:
        data = stream.read()
    server = serve.Server([os.path.join(args.build, "bindings/faas/ai-function"), "--platform",
                           "http", "--port", "PORT", "--quiet", "--threads", 1, "--model",
                           args.model], data, args.type)
    server.warm_ms(10)
    for rate in args.rates:
        for _ in range(args.rounds):
            for name, measure in (("load", by_load), ("k6", by_k6)):
                found = measure(args, server, rate)
                print(f"{rate}/s {name:4}", {key: round(value, 2) for key, value in found.items()
                                             if key != "thresholds"}, flush=True)
    server.stop()


if __name__ == "__main__":
    main()
