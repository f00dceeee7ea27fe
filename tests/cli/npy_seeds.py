# SPDX-License-Identifier: Apache-2.0
"""Writes seeds for the fuzzer of .npy and .npz files. usage: npy_seeds.py FOLDER STAMP"""

import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
arrays = [np.float32(1), np.arange(12, dtype=np.int64).reshape(3, 4), np.zeros((0, 3), np.float16),
          np.asfortranarray(np.arange(24, dtype=np.uint8).reshape(2, 3, 4)), np.ones(5, bool),
          np.zeros((1,) * 8, np.float64)]
for version in ((1, 0), (2, 0), (3, 0)):
    for i, array in enumerate(arrays):
        with open(folder / f"{version[0]}-{i}.npy", "wb") as file:
            np.lib.format.write_array(file, np.asanyarray(array), version=version)
for i, save in enumerate((np.savez, np.savez_compressed)):
    save(folder / f"{i}.npz", image=np.zeros((2, 3), np.float32), ids=np.arange(4, dtype=np.int64))
Path(sys.argv[2]).touch()
