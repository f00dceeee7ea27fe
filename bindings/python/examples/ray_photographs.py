# SPDX-License-Identifier: Apache-2.0
"""A Ray Data job: the best class of each photograph of a folder, as a table in Parquet.

    ray_photographs.py FOLDER MODEL.lai OUT                  on the cluster of RAY_ADDRESS, or here
    ray_photographs.py FOLDER MODEL.lai OUT --nodes 2        on two local nodes, started for it
    ray_photographs.py FOLDER MODEL.lai OUT --compare NET.onnx --repeat 10

A worker is an actor that opens the model once. What it maps is the file: all workers of a node share
its pages, whichever opened it first (--maps shows it). --compare times one process without Ray, one node
and two, each with libai and with ONNX Runtime.
"""

import argparse
import io
import json
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import ray
from pyarrow import parquet
from ray.cluster_utils import Cluster

import libai

BATCH = 16
ROUNDS = 3  # of --compare


class Libai:
    """Photographs by the model's own recipe: threads=1, since Ray counts a worker as one processor."""

    def __init__(self, model):
        self.path = os.path.realpath(model)
        self.classifier = libai.Classifier(model, threads=1)

    def best(self, content):
        row = self.classifier(content, top=1)[0]
        return row.index, row.score


class OnnxRuntime:
    """The same by ONNX Runtime and Pillow: shorter side 256, middle 224, ImageNet's mean."""

    def __init__(self, model):
        import onnxruntime
        self.path = os.path.realpath(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def best(self, content):
        from PIL import Image
        image = Image.open(io.BytesIO(content)).convert("RGB")
        scale = 256 / min(image.size)
        image = image.resize([max(256, int(side * scale)) for side in image.size], Image.BILINEAR)
        left, top = ((side - 224) // 2 for side in image.size)
        x = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32) / 255
        x = (x - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
        scores = self.session.run(None, {self.input: x.transpose(2, 0, 1)[None]})[0][0]
        chances = np.exp(scores - scores.max())
        return int(scores.argmax()), float(chances.max() / chances.sum())


class Worker:
    """Paths become rows of path, class and score, and who found them when. Workers read the files
    themselves, so that no photograph goes through Ray's store; the folder lies where all nodes see it."""

    def __init__(self, engine, model, maps):
        self.engine, self.maps = engine(model), maps
        self.node = ray.get_runtime_context().get_node_id()

    def __call__(self, batch):
        begin = time.time()
        found = [self.engine.best(Path(path).read_bytes()) for path in batch["path"]]
        count = len(found)
        rows = {"path": batch["path"], "index": np.array([index for index, _ in found]),
                "score": np.array([score for _, score in found], np.float32),
                "node": np.full(count, self.node), "pid": np.full(count, os.getpid()),
                "begin": np.full(count, begin), "end": np.full(count, time.time())}
        if self.maps:
            for name, kilobytes in mapped(self.engine.path).items():
                rows[name] = np.full(count, kilobytes)
        return rows


def mapped(path):
    """How much of a file this process maps, in kB: Rss counts pages that others map too in full, Pss
    in the share of each."""
    sums, counting = {"rss": 0, "pss": 0}, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *rest = line.split()
        if not name.endswith(":"):  # the head of a map: addresses, ..., path
            counting = line.endswith(path)
        elif counting and name[:-1].lower() in sums:
            sums[name[:-1].lower()] += int(rest[0])
    return sums


def score(folder, model, out, engine=Libai, workers=1, maps=False):
    """Runs the job on the cluster that is connected; gives the table back."""
    shutil.rmtree(out, ignore_errors=True)
    ray.data.DataContext.get_current().wait_for_min_actors_s = 60  # else the first takes all there is
    paths = [{"path": str(path)} for path in sorted(Path(folder).iterdir())
             if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
    photographs = ray.data.from_items(paths, override_num_blocks=-(-len(paths) // BATCH))
    photographs.map_batches(Worker, fn_constructor_args=(engine, str(model), maps), batch_size=BATCH,
                            compute=ray.data.ActorPoolStrategy(size=workers), num_cpus=1,
                            ray_remote_args_fn=lambda: {"scheduling_strategy": "SPREAD"}
                            ).write_parquet(str(out))
    return parquet.read_table(out).to_pandas()  # by Ray it would be a job more, of 3 s


@contextmanager
def local_nodes(count, workers=1):
    """Ray's nodes as processes of this machine, each with a processor for each worker and one for
    writing."""
    each = {"num_cpus": workers + 1, "object_store_memory": 256 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**each, "include_dashboard": False})
    for _ in range(count - 1):
        cluster.add_node(**each)
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        yield
    finally:
        ray.shutdown()
        cluster.shutdown()


def repeated(folder, times, target):
    """The folder's photographs `times` over, as links."""
    paths = [path for path in Path(folder).iterdir() if path.is_file()]
    for i in range(times):
        for path in paths:
            (target / f"{i:03d}-{path.name}").symlink_to(path.resolve())
    return target


def alone(folder, model, engine):
    """One process without Ray: images a second and classes by path."""
    paths = sorted(folder.iterdir())
    one = engine(str(model))
    one.best(paths[0].read_bytes())
    begin = time.time()
    found = {str(path): one.best(path.read_bytes())[0] for path in paths}
    return len(paths) / (time.time() - begin), found


def figures(table, seconds):
    """Images a second of the whole job, with the start of the workers, and between the first batch
    and the last."""
    steady = table["end"].max() - table["begin"].min()
    return {"images": len(table), "nodes": table["node"].nunique(), "job": len(table) / seconds,
            "steady": len(table) / steady}


def compare(folder, model, onnx, out):
    """Prints a row for each engine and number of nodes, and in how many classes they agree."""
    engines = {"libai": (Libai, model), "ONNX Runtime": (OnnxRuntime, onnx)}
    classes = {}
    for name, (engine, file) in engines.items():
        rate, classes[name] = alone(folder, file, engine)
        print(f"{name:13} one process, no Ray {rate:18.1f} images/s", flush=True)
    for nodes in (1, 2):
        rows = {name: [] for name in engines}
        with local_nodes(nodes):
            # In turns, for Ray gets faster from job to job; the first two it spends on processes of its own.
            for name, (engine, file) in [*engines.items()] * (ROUNDS + 1):
                begin = time.time()
                table = score(folder, file, out, engine, workers=nodes)
                rows[name].append(figures(table, time.time() - begin))
                assert dict(zip(table["path"], table["index"])) == classes[name]
        for name, found in rows.items():
            job, steady = (sorted(row[what] for row in found[1:])[ROUNDS // 2]
                           for what in ("job", "steady"))
            print(f"{name:13} {found[-1]['nodes']} node(s): job {job:6.1f}, steady {steady:6.1f} "
                  f"images/s, median of {ROUNDS}, {found[-1]['images']} images", flush=True)
    same = sum(classes["libai"][path] == index for path, index in classes["ONNX Runtime"].items())
    print(f"the same class for {same} of {len(classes['libai'])}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--nodes", type=int, help="start so many local nodes")
    parser.add_argument("--workers", type=int, default=1, help="of each node")
    parser.add_argument("--maps", action="store_true", help="say what each worker maps")
    parser.add_argument("--compare", metavar="NET.onnx")
    parser.add_argument("--repeat", type=int, default=1, help="with --compare: the folder so often")
    wish = parser.parse_args()
    if wish.compare:
        with tempfile.TemporaryDirectory() as links:
            compare(repeated(wish.folder, wish.repeat, Path(links)), wish.model, wish.compare, wish.out)
        return
    if wish.nodes:
        with local_nodes(wish.nodes, wish.workers):
            table = score(wish.folder, wish.model, wish.out, workers=wish.nodes * wish.workers,
                          maps=wish.maps)
    else:
        ray.init()
        table = score(wish.folder, wish.model, wish.out, workers=wish.workers, maps=wish.maps)
    print(table.groupby(["node", "pid"]).agg(images=("path", "size"), **{
        name: (name, "last") for name in ("rss", "pss") if wish.maps}).to_string())
    print(json.dumps(table[["path", "index", "score"]].head(3).to_dict("records"), indent=1))


if __name__ == "__main__":
    main()
