# SPDX-License-Identifier: Apache-2.0
"""Servers to measure, the load generator, and figures of what it saw."""
from __future__ import annotations

import http.client
import os
import socket
import statistics
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A process that answers at a port; `cold_ms`: from its exec to its first answer."""

    def __init__(self, command, body: bytes, content_type: str, path="/", headers=None):
        self.port, self.path = free_port(), path
        self.body, self.headers = body, {"Content-Type": content_type, **(headers or {})}
        begin = time.perf_counter()
        self.process = subprocess.Popen([str(part).replace("PORT", str(self.port))
                                         for part in command], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self.connection = self._connect()
        self.answer = self.ask()
        self.cold_ms = 1e3 * (time.perf_counter() - begin)

    def _connect(self):
        while self.process.poll() is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                connection.connect()
                return connection
            except ConnectionRefusedError:
                time.sleep(0.0003)
        raise RuntimeError(f"{self.process.args[0]} does not start")

    def ask(self) -> bytes:
        self.connection.request("POST", self.path, self.body, self.headers)
        response = self.connection.getresponse()
        data = response.read()
        if response.status != 200:
            raise RuntimeError(f"status {response.status}: {data[:200]!r}")
        return data

    def warm_ms(self, count: int) -> list[float]:
        took = []
        for _ in range(count):
            begin = time.perf_counter()
            self.ask()
            took.append(1e3 * (time.perf_counter() - begin))
        return took

    def resident_mb(self) -> float:
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as stream:
            return next(int(line.split()[1]) for line in stream if line.startswith("VmRSS")) / 1024

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def generate(build: str, server: Server, times_s, connections: int, head=0) -> list[dict]:
    """What became of requests at these times; answers are compared with the server's first."""
    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, name) for name in ("body", "answer")]
        for path, data in zip(files, (server.body, server.answer)):
            with open(path, "wb") as out:
                out.write(data)
        done = subprocess.run(
            [os.path.join(build, "bench/load/load"), str(server.port), server.path,
             server.headers["Content-Type"], str(connections), str(head), *files],
            input="\n".join(f"{1e6 * t:.0f}" for t in times_s), text=True, check=True,
            stdout=subprocess.PIPE)
    names = ("due", "sent", "done", "status", "right")
    return [dict(zip(names, map(int, line.split()))) for line in done.stdout.splitlines()]


def quantile(values, part: float) -> float:
    values = sorted(values)
    return values[min(int(part * len(values)), len(values) - 1)] if values else 0.0


def figures(asks: list[dict]) -> dict:
    """Counts, and milliseconds from the scheduled time."""
    served = [(a["done"] - a["due"]) / 1e3 for a in asks if a["status"] == 200]
    refused = [(a["done"] - a["due"]) / 1e3 for a in asks if a["status"] == 429]
    return {"asked": len(asks), "served": len(served), "refused": len(refused),
            "errors": sum(a["status"] not in (200, 429) for a in asks),
            "wrong": sum(a["status"] == 200 and not a["right"] for a in asks),
            "p50": quantile(served, 0.5), "p99": quantile(served, 0.99),
            "most": max(served, default=0.0), "refused_p50": quantile(refused, 0.5),
            "refused_p99": quantile(refused, 0.99)}


def median(values) -> float:
    return statistics.median(values)
