# SPDX-License-Identifier: Apache-2.0
"""The same function in Python with ONNX Runtime: a JPEG by POST, the three best classes as JSON.

usage: peer.py PORT MODEL.onnx LABELS

One thread, as a platform with one vCPU gives; Pillow decodes and resizes, inputs are (x - 127) / 128."""

import io
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import onnxruntime
from PIL import Image


def open_model(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session, session.get_inputs()[0]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize, disable_nagle_algorithm = -1, True  # an answer is one packet
    labels, session, tensor = [], None, None

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        side = self.tensor.shape[2]
        image = Image.open(io.BytesIO(data)).convert("RGB").resize((side, side), Image.BILINEAR)
        planes = (np.asarray(image, np.float32).transpose(2, 0, 1)[None] - 127) / 128
        logits = self.session.run(None, {self.tensor.name: np.ascontiguousarray(planes)})[0][0]
        scores = np.exp(logits - logits.max())
        scores /= scores.sum()
        best = np.argsort(-scores)[:3]
        text = json.dumps({"statusCode": 200, "body": [
            {"rank": rank, "label": self.labels[i], "score": float(scores[i]), "index": int(i)}
            for rank, i in enumerate(best, 1)]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def main():
    port, model, labels = sys.argv[1:]
    with open(labels, encoding="utf-8") as stream:
        Handler.labels = stream.read().splitlines()
    Handler.session, Handler.tensor = open_model(model)
    HTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
