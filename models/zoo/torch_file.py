# SPDX-License-Identifier: Apache-2.0
"""Reads the tensors of a legacy torch.save file without PyTorch and without running the pickle:
only dictionaries, numbers, strings and tensors are built, any other name in it is refused.

The file is five parts one after the other: three pickles (a magic number, a version, the writer's
machine), a pickle of the object in which every storage is a persistent id, a pickle of the list of
storage keys, and for each key its element count (8 bytes, little-endian) and its raw elements."""
import collections
import pickle

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8", "IntStorage": "<i4"}


class StorageType:
    def __init__(self, name):
        self.dtype = np.dtype(TYPES[name])


class Storage:
    def __init__(self, key, dtype, count):
        self.key, self.dtype, self.count, self.data = key, dtype, count, None


class Tensor:
    def __init__(self, storage, offset, shape, stride):
        self.storage, self.offset, self.shape, self.stride = storage, offset, shape, stride

    def array(self):
        shape, stride = tuple(self.shape), tuple(self.stride)
        if len(shape) != len(stride) or min((self.offset, *shape, *stride)) < 0:
            raise ValueError(f"tensor has shape {shape}, stride {stride}, offset {self.offset}")
        last = self.offset + sum((n - 1) * step for n, step in zip(shape, stride))
        if 0 not in shape and last >= self.storage.count:
            raise ValueError(f"tensor reaches element {last} of {self.storage.count}")
        data, size = self.storage.data[self.offset:], self.storage.dtype.itemsize
        view = np.lib.stride_tricks.as_strided(data, shape, [size * step for step in stride])
        return np.ascontiguousarray(view)


def rebuild_tensor(storage, offset, shape, stride, *unused):
    if not isinstance(storage, Storage):
        raise pickle.UnpicklingError("a tensor has no storage")
    return Tensor(storage, offset, shape, stride)


class Unpickler(pickle.Unpickler):
    """Knows five names and no other."""

    def __init__(self, stream):
        super().__init__(stream)
        self.storages = {}

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return rebuild_tensor
        if module == "torch" and name in TYPES:
            return StorageType(name)
        raise pickle.UnpicklingError(f"the checkpoint names {module}.{name}, which is no tensor")

    def persistent_load(self, identity):
        kind, storage_type, key, _, count, view = identity
        if kind != "storage" or not isinstance(storage_type, StorageType) or view is not None:
            raise pickle.UnpicklingError(f"the checkpoint has a persistent id of kind {kind!r}")
        return self.storages.setdefault(key, Storage(key, storage_type.dtype, count))


def read(path):
    """The state dictionary of `path`: names and NumPy arrays, in its order."""
    with open(path, "rb") as stream:
        if Unpickler(stream).load() != MAGIC or Unpickler(stream).load() != VERSION:
            raise ValueError(f"{path}: not a legacy torch.save file")
        if not Unpickler(stream).load().get("little_endian"):
            raise ValueError(f"{path}: made on a big-endian machine")
        unpickler = Unpickler(stream)
        state = unpickler.load()
        for key in Unpickler(stream).load():
            storage = unpickler.storages[key]
            count = int.from_bytes(stream.read(8), "little")
            if count != storage.count:
                raise ValueError(f"{path}: storage {key} has {count} elements, needs "
                                 f"{storage.count}")
            storage.data = np.frombuffer(stream.read(count * storage.dtype.itemsize), storage.dtype)
            if storage.data.size != count:
                raise ValueError(f"{path}: truncated in storage {key}")
        if stream.read(1):
            raise ValueError(f"{path}: bytes are left after the last storage")
    return {name: tensor.array() for name, tensor in state.items()}
