"""A network in as few bytes as it takes, as Deep Compression stores it (Han et al., 2016), and back.

A layer that was pruned is written as its weights that are not zero and the distances between them. A distance has a few
bits; where a gap is longer, a zero is written in between, as the paper's figure 2 has it. What is written for a weight
is 32 bits, or its number in the layer's codebook, plain or as a Huffman code.
"""

from __future__ import annotations

import copy
import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from cnnlab.compress import huffman
from cnnlab.compress.layers import checked_bits, weighted
from cnnlab.compress.sharing import settle
from cnnlab.errors import unknown_name

__all__ = ["FORMS", "Size", "write", "read", "size_on_disk"]

FORMS = ("raw", "sparse", "shared", "huffman")
_MAGIC = b"cnnlab compressed 1\n"
_MOST = 256  # different weights of a layer that has a codebook
_LARGEST = 100 * 2**20  # bytes of a head that is still read


@dataclass(frozen=True)
class Size:
    """What a file takes, in bytes.

    Attributes:
        total: the file.
        weights: the weights of convolutions and dense layers, or their numbers in the codebooks.
        distances: what says where the weights that are not zero stand.
        codebooks: the numbers that weights may be.
        rest: biases, norms and all other parameters and buffers, as they are.
        head: names and shapes, packed by zlib.
    """

    total: int
    weights: int
    distances: int
    codebooks: int
    rest: int
    head: int


def write(
    model: nn.Module,
    path: str | Path,
    form: Literal["raw", "sparse", "shared", "huffman"] = "huffman",
    *,
    distance_bits: int | None = None,
) -> Size:
    """Write all parameters and buffers of a network into a file that :func:`read` reads.

    Args:
        model: any network; one with codebooks is written as :func:`settle` would leave it.
        path: the file.
        form: "raw", every number as it is; "sparse", of a layer with zeros the other weights and their distances;
            "shared", in a layer of at most 256 different weights their numbers in its codebook; "huffman", those
            numbers and the distances in Huffman codes. Where one of the last two is no shorter, it is not taken.
        distance_bits: of a distance, 1 to 16; None is the paper's 8 in a convolution and 5 in a dense layer.

    Returns:
        The size of the file, and of what.

    Raises:
        ValueError: an unknown form, or distance_bits outside these limits.
        OSError: the file cannot be written.
    """
    if form not in FORMS:
        raise unknown_name("form", form, FORMS)
    if distance_bits is not None:
        distance_bits = checked_bits("distance_bits", distance_bits, 1, 16)
    plain = settle(copy.deepcopy(model))
    layers = {f"{name}.weight": module for name, module in weighted(plain).items()}
    entries: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    spent = dict.fromkeys(("weights", "distances", "codebooks", "rest"), 0)
    for name, value in plain.state_dict().items():
        entry: dict[str, Any] = {"name": name, "shape": list(value.shape), "type": str(value.dtype)[6:], "parts": []}
        layer = layers.get(name)
        if layer is None or value.dtype != torch.float32:
            parts = {"rest": value.cpu().contiguous().numpy().tobytes()}
        else:
            bits = distance_bits or (5 if isinstance(layer, nn.Linear) else 8)
            parts = _packed(value.cpu(), form, bits, entry)
        for part, blob in parts.items():
            entry["parts"].append([part, len(blob)])
            blobs.append(blob)
            spent[part] += len(blob)
        entries.append(entry)
    head = zlib.compress(json.dumps(entries, separators=(",", ":")).encode(), 9)
    path = Path(path)
    path.write_bytes(b"".join([_MAGIC, struct.pack("<I", len(head)), head, *blobs]))
    return Size(path.stat().st_size, **spent, head=len(_MAGIC) + 4 + len(head))


def read(path: str | Path, model: nn.Module) -> nn.Module:
    """Give ``model`` the weights in a file of :func:`write`, in place. They are equal to those written.

    Args:
        path: the file.
        model: built like the network that was written, without codebooks.

    Returns:
        The model.

    Raises:
        ValueError: the file is none of ``write``, is damaged, or is of another network.
        OSError: the file cannot be read.
    """
    data = Path(path).read_bytes()
    try:
        start = len(_MAGIC) + 4
        (size,) = struct.unpack_from("<I", data, len(_MAGIC))
        if not data.startswith(_MAGIC) or size > _LARGEST:
            raise ValueError("it does not begin as one")
        entries = json.loads(zlib.decompress(data[start : start + size]))
        place, state = start + size, {}
        for entry in entries:
            parts = {}
            for part, length in entry["parts"]:
                if place + length > len(data):
                    raise ValueError("it ends too soon")
                parts[part], place = data[place : place + length], place + length
            state[entry["name"]] = _unpacked(parts, entry)
    except (ValueError, LookupError, AttributeError, TypeError, RuntimeError, struct.error, zlib.error) as error:
        raise ValueError(f"path={str(path)!r} is no whole file of cnnlab.compress.write: {error}.") from None
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        lines = " ".join(str(error).split())
        raise ValueError(f"model is not built like the network in {str(path)!r}: {lines[:300]}") from None
    return model


def size_on_disk(model: nn.Module, form: str = "huffman", *, distance_bits: int | None = None) -> Size:
    """What :func:`write` would need: the file is written to a temporary folder, measured, and gone.

    Args:
        model, form, distance_bits: as for :func:`write`.

    Raises:
        ValueError: as for :func:`write`.
    """
    with TemporaryDirectory() as folder:
        return write(model, Path(folder) / "model", form, distance_bits=distance_bits)


# --- one layer ------------------------------------------------------------------------------------------------------


def _packed(weight: Tensor, form: str, bits: int, entry: dict[str, Any]) -> dict[str, bytes]:
    """The parts of a file that hold one weight; what is needed to read them goes into ``entry``."""
    values = weight.flatten().numpy()
    used = values != 0
    parts: dict[str, bytes] = {}
    if form != "raw" and not used.all():
        places, values = _with_fillers(np.flatnonzero(used), values, 2**bits)
        parts["distances"], entry["distances"] = _stream(np.diff(places, prepend=-1) - 1, bits, form)
    book = np.unique(values)
    if form in ("shared", "huffman") and len(book) <= _MOST:
        codes = np.searchsorted(book, values)
        blob, how = _stream(codes, max(1, int(len(book) - 1).bit_length()), form)
        if len(blob) + book.nbytes < values.nbytes:
            parts["weights"], parts["codebooks"], entry["codes"] = blob, book.tobytes(), how
            return parts
    parts["weights"] = values.tobytes()
    return parts


def _unpacked(parts: dict[str, bytes], entry: dict[str, Any]) -> Tensor:
    shape, kind = entry["shape"], getattr(torch, entry["type"])
    if "rest" in parts:
        raw = parts["rest"]
        return torch.frombuffer(bytearray(raw), dtype=kind).view(shape) if raw else torch.empty(shape, dtype=kind)
    if "codes" in entry:
        values = np.frombuffer(parts["codebooks"], np.float32)[_unstream(parts["weights"], entry["codes"])]
    else:
        values = np.frombuffer(parts["weights"], np.float32)
    if "distances" in entry:
        whole = np.zeros(int(np.prod(shape)), np.float32)
        whole[np.cumsum(_unstream(parts["distances"], entry["distances"]) + 1) - 1] = values
        values = whole
    return torch.from_numpy(values.copy()).view(shape)


def _stream(numbers: np.ndarray, bits: int, form: str) -> tuple[bytes, list[int]]:
    """Numbers of so many bits as bytes, and how they are read: the bits of each, 0 for Huffman codes; and how many."""
    plain = _bits(numbers, bits)
    if form == "huffman":
        coded = huffman.encode(numbers)
        if len(coded) < len(plain):
            return coded, [0, len(numbers)]
    return plain, [bits, len(numbers)]


def _unstream(data: bytes, how: list[int]) -> np.ndarray:
    bits, count = how
    return _numbers(data, bits, count) if bits else huffman.decode(data)


def _with_fillers(places: np.ndarray, values: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of what is written, and what: the weights, and zeros where the next one is more than ``reach`` away."""
    gaps = np.diff(places, prepend=-1)
    extra = (gaps - 1) // reach  # zeros before each weight
    begins = np.repeat(places - gaps, extra)
    number = np.arange(extra.sum()) - np.repeat(np.cumsum(extra) - extra, extra) + 1
    every = np.sort(np.concatenate([places, begins + number * reach]))
    return every, values[every]


def _bits(numbers: np.ndarray, bits: int) -> bytes:
    """Each number in so many bits, the highest first."""
    shifts = np.arange(bits - 1, -1, -1)
    return np.packbits(((numbers[:, None] >> shifts) & 1).astype(np.uint8)).tobytes()


def _numbers(data: bytes, bits: int, count: int) -> np.ndarray:
    """The numbers that :func:`_bits` was given."""
    flat = np.unpackbits(np.frombuffer(data, np.uint8), count=count * bits).reshape(count, bits)
    return flat.astype(np.int64) @ (1 << np.arange(bits - 1, -1, -1))
