# SPDX-License-Identifier: Apache-2.0
"""usage: variants.py NAME.onnx    (in the peers' environment)

Writes beside it what starts fastest: NAME.ort, optimised for this machine, and NAME.xml with
NAME.bin, OpenVINO's own form in f32. Prints the versions of both as JSON."""
import json
import sys

import onnxruntime
import openvino


def main():
    stem = sys.argv[1].removesuffix(".onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = stem + ".ort"
    options.add_session_config_entry("session.save_model_format", "ORT")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
    openvino.save_model(openvino.Core().read_model(sys.argv[1]), stem + ".xml",
                        compress_to_fp16=False)
    print(json.dumps({"ONNX Runtime": onnxruntime.__version__, "OpenVINO": openvino.__version__}))


if __name__ == "__main__":
    main()
