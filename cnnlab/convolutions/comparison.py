"""Convolutions side by side: what each costs, as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from cnnlab.convolutions.latency import Latency
from cnnlab.errors import unknown_name
from cnnlab.tables import html_table, human, human_bytes, text_table

if TYPE_CHECKING:
    import pandas

__all__ = ["Cost", "COLUMNS", "Comparison"]


@dataclass(frozen=True)
class Cost:
    """One row of a `Comparison`: counts for a single input, latencies for the whole batch.

    Attributes:
        input: shape (C, H, W), or (C, T, H, W).
        activation_bytes: of all results, those between two steps included.
        bytes_moved: read and written by all operators, weights included.
        batch: inputs in a measured pass.
    """

    name: str
    input: tuple[int, ...]
    output: tuple[int, ...]
    params: int
    macs: int
    activation_bytes: int
    bytes_moved: int
    receptive_field: str
    cpu: Latency | None = None
    gpu: Latency | None = None
    batch: int = 1

    @property
    def intensity(self) -> float:
        """Multiply-accumulates for each byte moved."""
        return self.macs / self.bytes_moved if self.bytes_moved else 0.0

    def rate(self, device: str) -> float | None:
        """Billions of multiply-accumulates a second that "cpu" or "gpu" reached; None where nothing was measured."""
        latency: Latency | None = getattr(self, device)
        return None if latency is None else self.macs * self.batch / latency.median / 1e6


def _half(row: Cost, device: str) -> str:
    found: Latency = getattr(row, device)
    return f"{found.lower:.3g} to {found.upper:.3g}"


# What a table can show -> the column's head, and what it says of a row.
COLUMNS: dict[str, tuple[str, Callable[[Cost], str]]] = {
    "cpu": ("CPU ms", lambda row: f"{row.cpu.median:.3g}"),
    "gpu": ("GPU ms", lambda row: f"{row.gpu.median:.3g}"),
    "output": ("Output", lambda row: "x".join(map(str, row.output))),
    "params": ("Parameters", lambda row: human(row.params)),
    "macs": ("MACs", lambda row: human(row.macs)),
    "activations": ("Activations", lambda row: human_bytes(row.activation_bytes)),
    "sees": ("Sees", lambda row: row.receptive_field),
    "cpu rate": ("GMAC/s", lambda row: f"{row.rate('cpu'):.3g}"),
    "gpu rate": ("GPU GMAC/s", lambda row: f"{row.rate('gpu'):.3g}"),
    "intensity": ("MACs per byte", lambda row: f"{row.intensity:.3g}"),
    "cpu half": ("CPU ms, middle half", lambda row: _half(row, "cpu")),
    "gpu half": ("GPU ms, middle half", lambda row: _half(row, "gpu")),
}
# Without times, and for each device that was measured: the most important first, since a phone shows three columns.
_COUNTED = ("output", "params", "macs", "activations", "sees", "intensity")
_MEASURED = ("cpu", "gpu", "macs", "cpu rate", "gpu rate", "intensity", "cpu half", "gpu half")


class Comparison:
    """What `compare_convolutions` returns. ``print`` it, show it in a notebook, or take its numbers.

    A table that was measured shows the times first, then the MACs and how many of them a second were done; one that
    was not shows all counts. `only` chooses other columns, and `to_dataframe` has everything.

    Attributes:
        rows: a `Cost` for each variant, in the order of the chapters.
        caption: one sentence: the sizes, and where and how often was measured.
        columns: what is shown, of the keys of `COLUMNS`.
    """

    def __init__(self, rows: Sequence[Cost], caption: str, columns: Sequence[str] = ()) -> None:
        self.rows = tuple(rows)
        self.caption = caption
        missing = [device for device in ("cpu", "gpu") if not any(getattr(row, device) for row in self.rows)]
        times = [column for column in _MEASURED if column.split()[0] not in missing]
        self.columns = tuple(columns) or (_COUNTED if len(missing) == 2 else tuple(times))
        for column in self.columns:
            if column not in COLUMNS:
                raise unknown_name("column", column, COLUMNS)
            device = column.split()[0]
            if device in missing:
                raise ValueError(f"column={column!r}: no time was measured on the {device.upper()}; leave it out.")

    def only(self, *columns: str) -> Comparison:
        """The same comparison, showing these columns: some of the keys of `COLUMNS`, such as "macs" and "cpu".

        Raises:
            ValueError: for a column that does not exist, or one of a device on which nothing was measured.
        """
        return Comparison(self.rows, self.caption, columns)

    def __getitem__(self, name: str) -> Cost:
        """The row of this name: ``comparison["depthwise"]``."""
        for row in self.rows:
            if row.name == name:
                return row
        raise unknown_name("name", name, [row.name for row in self.rows])

    def __iter__(self) -> Iterator[Cost]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_dataframe(self) -> pandas.DataFrame:
        """The rows as a pandas DataFrame, numbers unformatted.

        A measured device has four columns: ``cpu_ms``, ``cpu_lower``, ``cpu_upper`` (the quartiles) and ``cpu_gmacs``,
        billions of multiply-accumulates a second.
        """
        import pandas

        table = []
        for row in self.rows:
            line = {f.name: getattr(row, f.name) for f in fields(row) if f.name not in ("cpu", "gpu", "batch")}
            line["intensity"] = row.intensity
            for device in ("cpu", "gpu"):
                latency = getattr(row, device)
                if latency is not None:
                    line |= {f"{device}_ms": latency.median, f"{device}_lower": latency.lower}
                    line |= {f"{device}_upper": latency.upper, f"{device}_gmacs": row.rate(device)}
            table.append(line)
        return pandas.DataFrame(table)

    def _cells(self) -> list[list[str]]:
        shown = [COLUMNS[column] for column in self.columns]
        head = ["Convolution", *(title for title, _ in shown)]
        return [head, *([row.name, *(says(row) for _, says in shown)] for row in self.rows)]

    def __str__(self) -> str:
        return text_table(self._cells(), self.caption)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *body = self._cells()
        return html_table(
            [head, *([name, *(x.replace("x", "×") for x in cells)] for name, *cells in body)], self.caption
        )
