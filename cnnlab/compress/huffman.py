"""Huffman coding (D. A. Huffman, 1952): frequent symbols get short codes, and no code begins another."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Sequence

import numpy as np

__all__ = ["code_lengths", "encode", "decode"]

_HEAD = struct.Struct("<IH")  # how many symbols, and how many different ones there may be


def code_lengths(counts: Sequence[int]) -> list[int]:
    """How many bits each symbol's code has, 0 for a symbol that does not occur.

    Args:
        counts: how often each symbol occurs: 0, 1, 2, ....

    Raises:
        ValueError: a negative count.
    """
    if any(count < 0 for count in counts):
        raise ValueError(f"counts={list(counts)} holds a negative number; give how often each symbol occurs.")
    # Two rarest groups become one, and all codes in them a bit longer, until one group is left.
    groups = [(int(count), symbol, (symbol,)) for symbol, count in enumerate(counts) if count]
    lengths = [0] * len(counts)
    if len(groups) == 1:
        lengths[groups[0][1]] = 1
    heapq.heapify(groups)
    while len(groups) > 1:
        one, other = heapq.heappop(groups), heapq.heappop(groups)
        members = one[2] + other[2]
        for symbol in members:
            lengths[symbol] += 1
        heapq.heappush(groups, (one[0] + other[0], min(one[1], other[1]), members))
    return lengths


def encode(symbols: Sequence[int] | np.ndarray) -> bytes:
    """Symbols as bytes that :func:`decode` reads: their number, the length of each code, and the codes bit by bit.

    Args:
        symbols: whole numbers from 0 to 65,534. Shape: (n,).

    Raises:
        ValueError: other numbers.
    """
    symbols = np.asarray(symbols)
    if symbols.size and (symbols.dtype.kind not in "iu" or symbols.ndim != 1 or symbols.min() < 0):
        raise ValueError(f"symbols: {symbols.dtype} of shape {symbols.shape}; give one row of whole numbers from 0.")
    if symbols.size and symbols.max() > 65_534:
        raise ValueError(f"symbols has a {symbols.max()}; the largest allowed is 65,534.")
    symbols = symbols.astype(np.int64)
    counts = np.bincount(symbols) if symbols.size else np.zeros(0, np.int64)
    lengths = np.array(code_lengths(counts.tolist()), np.int64)
    head = _HEAD.pack(len(symbols), len(lengths)) + lengths.astype(np.uint8).tobytes()
    codes = np.array(_codes(lengths.tolist()), np.uint64)
    own = lengths[symbols]
    ends = own.cumsum()
    total = int(ends[-1]) if len(ends) else 0
    # Bit number b of the stream is bit (end - 1 - b) of the code that it falls into.
    back = np.repeat(ends, own) - 1 - np.arange(total)
    bits = (np.repeat(codes[symbols], own) >> back.astype(np.uint64)) & np.uint64(1)
    return head + np.packbits(bits.astype(np.uint8)).tobytes()


def decode(data: bytes) -> np.ndarray:
    """The symbols that :func:`encode` was given. Shape: (n,), int64.

    Raises:
        ValueError: the bytes end too soon, or are none of ``encode``.
    """
    if len(data) < _HEAD.size:
        raise ValueError(f"data has {len(data)} bytes, fewer than its head; give what encode returned, whole.")
    count, kinds = _HEAD.unpack_from(data)
    lengths = list(data[_HEAD.size : _HEAD.size + kinds])
    symbol_of = {
        (length, code): symbol
        for symbol, (length, code) in enumerate(zip(lengths, _codes(lengths), strict=True))
        if length
    }
    bits = np.unpackbits(np.frombuffer(data, np.uint8, offset=_HEAD.size + len(lengths))).tolist()
    found = np.empty(count, np.int64)
    place = 0
    longest = max(lengths, default=0)
    for number in range(count):
        code, length = 0, 0
        while True:
            if place == len(bits) or length > longest:
                raise ValueError(f"data ends, or breaks off, after {number} of {count} symbols; give all of its bytes.")
            code, length, place = 2 * code + bits[place], length + 1, place + 1
            symbol = symbol_of.get((length, code))
            if symbol is not None:
                found[number] = symbol
                break
    return found


def _codes(lengths: Sequence[int]) -> list[int]:
    """The canonical code of each symbol: shorter ones first, then in the symbols' order. So lengths say all of it."""
    codes = [0] * len(lengths)
    code, before = 0, 0
    for symbol in sorted((s for s, length in enumerate(lengths) if length), key=lambda s: (lengths[s], s)):
        code <<= lengths[symbol] - before
        codes[symbol], before = code, lengths[symbol]
        code += 1
    return codes
