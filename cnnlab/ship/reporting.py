"""What came out: size, agreement and time of each form of one network, as a table and as JSON."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cnnlab.convolutions.latency import Latency
from cnnlab.files import replacing
from cnnlab.tables import html_table, human, human_bytes, text_table

__all__ = ["Row", "Report"]


@dataclass(frozen=True)
class Row:
    """One form of a network.

    Attributes:
        form: "torch", "torch.export", "onnx", "int8 per tensor" or "int8 per channel".
        file: its name, or None where there is none.
        bytes: of the file; of torch, what parameters and buffers take.
        agreement: share of the pictures (of their pixels, where each has a class) with the class that torch says.
        difference: the largest difference to torch's numbers, as a share of the largest of them.
        latency: pictures in a batch -> milliseconds of a forward pass.
        first: milliseconds until a picture is answered from the file on; None where there is no file.
    """

    form: str
    file: str | None
    bytes: int
    agreement: float
    difference: float
    latency: dict[int, Latency]
    first: float | None


@dataclass(frozen=True)
class Report:
    """All forms of one network, measured on one machine.

    Attributes:
        model: its name.
        params: how many parameters.
        input: (C, H, W).
        compared: pictures that agreement and difference are of; calibration has not seen them.
        calibrated: pictures that int8's ranges are of.
        threads: of each forward pass.
        rows: the forms, torch first.
        left_out: form -> why it could not be had, in words.
        versions: package -> version.
    """

    model: str
    params: int
    input: tuple[int, ...]
    compared: int
    calibrated: int
    threads: int
    rows: tuple[Row, ...]
    left_out: dict[str, str]
    versions: dict[str, str]

    def __getitem__(self, form: str) -> Row:
        for row in self.rows:
            if row.form == form:
                return row
        raise KeyError(f"form={form!r} is not there; there are {', '.join(row.form for row in self.rows)}.")

    def save(self, path: str | Path) -> None:
        """Write it as JSON."""
        with replacing(Path(path)) as part:
            part.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Report:
        """What :meth:`save` has written.

        Raises:
            OSError: it cannot be read.
            ValueError: it is no such file.
        """
        try:
            found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
            rows = []
            for row in found.pop("rows"):
                latency = {int(batch): Latency(**times) for batch, times in row.pop("latency").items()}
                rows.append(Row(**row, latency=latency))
            return cls(**{**found, "input": tuple(found["input"]), "rows": tuple(rows)})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"path={str(path)!r} is no report of cnnlab.ship: {error}.") from None

    def _table(self) -> list[list[str]]:
        batches = list(self.rows[0].latency)
        head = ["form", "size", "agrees", "off by", *(f"batch {n}, ms" for n in batches), "first, ms"]
        return [head] + [
            [
                row.form,
                human_bytes(row.bytes),
                f"{row.agreement:.1%}",
                f"{row.difference:.0e}" if row.difference < 1e-3 else f"{row.difference:.3f}",
                *(_time(row.latency[n]) for n in batches),
                "" if row.first is None else _digits(row.first),
            ]
            for row in self.rows
        ]

    def _caption(self) -> str:
        size = " x ".join(map(str, self.input))
        threads = "one thread" if self.threads == 1 else f"{self.threads} threads"
        said = (
            f"{self.model}, {human(self.params)} parameters, {size}, {threads}. Agreement and largest difference with "
            f"torch on {self.compared} pictures, int8 calibrated on {self.calibrated} others. Times are medians ± half "
            "of the middle half's width."
        )
        return " ".join([said, *(f"No {form}: {why}" for form, why in self.left_out.items())])

    def __str__(self) -> str:
        return text_table(self._table(), textwrap.fill(self._caption(), 84))

    def _repr_html_(self) -> str:
        return html_table(self._table(), self._caption())


def _time(latency: Latency) -> str:
    # Three digits of the median, a microsecond at the least, and the spread to the same place.
    places = 3 if latency.median < 1 else max(0, 3 - len(f"{latency.median:.0f}"))
    return f"{latency.median:,.{places}f} ± {(latency.upper - latency.lower) / 2:,.{places}f}"


def _digits(number: float) -> str:
    """Three digits, and all of those before the point."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
