"""What a training's TOML file may say, and each of its values checked before anything else is read."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.errors import reason_of, unknown_name, whole_number

if TYPE_CHECKING:
    from cnnlab.training.recipe import Recipe

__all__ = ["ModelTable", "DataTable", "OutputTable", "Settings", "read_settings", "examples", "example"]

_RECIPES = Path(__file__).with_name("recipes")
# Of a recipe's fields these are functions, or what other tables say.
_NOT_HERE = ("augment", "loss", "metrics")


@dataclass(frozen=True)
class ModelTable:
    """``[model]``: the arguments of :func:`cnnlab.create_model`; the data say how many classes and channels.

    Attributes:
        name: one of :func:`cnnlab.list_models`.
        small_input: the version for pictures of about 32 pixels.
        weights: "imagenet", a checkpoint by its library's name, or a file; None for fresh ones.
    """

    name: str
    small_input: bool = False
    weights: str | None = None


@dataclass(frozen=True)
class DataTable:
    """``[data]``: a folder of pictures or a data set by its name.

    Attributes:
        folder: holds ``train/<class>/`` and ``val/<class>/`` (or other usual names), or ``<class>/`` alone.
        dataset: one of :func:`cnnlab.data.list_datasets`, held in memory.
        validation: share of each class that is measured and not learned from, where the folder has no ``val``; of a
            data set the share of its training pictures, and None measures the test set after each epoch.
        workers: processes that read a folder's pictures, for each process that trains.
        size: side of what the network sees; None for the network's own, and of a data set for what its pictures have.
        resize: of a folder: the shorter side before the middle is measured; None for 8 / 7 of ``size``, as 256 to 224.
        crop_scale: the share of a picture's area, from and to, that training cuts out and resizes.
        padding: of a data set: pixels added on every side before the old size is cut out.
        flip: how often pictures are mirrored in training; 0 for digits and letters.
    """

    folder: str | None = None
    dataset: str | None = None
    validation: float | None = None
    workers: int = 2
    size: int | None = None
    resize: int | None = None
    crop_scale: tuple[float, float] = (0.08, 1.0)
    padding: int = 0
    flip: float = 0.0

    def __post_init__(self) -> None:
        if (self.folder is None) == (self.dataset is None):
            raise ValueError("[data] needs one of folder = '...' and dataset = '...', and not both.")
        of_folder, of_dataset = ("workers", "resize", "crop_scale"), ("padding",)
        kind, others = ("dataset", of_folder) if self.folder is None else ("folder", of_dataset)
        for f in fields(self):
            if f.name in others and getattr(self, f.name) != f.default:
                raise ValueError(f"[data] {f.name}={getattr(self, f.name)!r} says nothing of a {kind}: leave it out.")
        for name in ("size", "resize"):
            if getattr(self, name) is not None:
                whole_number(f"[data] {name}", getattr(self, name), "Give pixels, such as 224.")
        for name in ("workers", "padding"):
            if getattr(self, name) < 0:
                raise ValueError(f"[data] {name}={getattr(self, name)} must be 0 or more.")
        low, high = self.crop_scale
        if not 0 < low <= high <= 1:
            raise ValueError(f"[data] crop_scale={list(self.crop_scale)} must be two shares, 0 < from <= to <= 1.")
        if not 0 <= self.flip <= 1:
            raise ValueError(f"[data] flip={self.flip} must lie between 0 and 1: it is how often.")
        if self.validation is not None and not 0 < self.validation < 1:
            raise ValueError(f"[data] validation={self.validation} must be a share between 0 and 1.")
        if self.size is not None and self.resize is not None and self.resize < self.size:
            raise ValueError(
                f"[data] resize={self.resize} is below size={self.size}, which is cut out of it: give as much or more."
            )


@dataclass(frozen=True)
class OutputTable:
    """``[output]``.

    Attributes:
        folder: gets ``checkpoint.pt``, ``history.csv``, ``run.json`` and ``model.pt``.
        checkpoint_seconds: how often the checkpoint is written within an epoch.
    """

    folder: str
    checkpoint_seconds: float = 600.0


@dataclass(frozen=True)
class Settings:
    """A whole file.

    Attributes:
        model, data, output: its tables.
        recipe: ``[recipe]``: the arguments of :func:`cnnlab.fit` that are numbers and names; ``schedule`` may be a
            table of its ``name`` and that schedule's own arguments.
        text: as it was read.
    """

    model: ModelTable
    data: DataTable
    recipe: Recipe
    output: OutputTable
    text: str = field(default="", repr=False)


def examples() -> list[str]:
    """The names of the reference recipes."""
    return sorted(path.stem for path in _RECIPES.glob("*.toml"))


def example(name: str = "resnet50_imagenet") -> str:
    """A reference recipe, as a file to begin with.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in examples():
        raise unknown_name("example", name, examples())
    return (_RECIPES / f"{name}.toml").read_text(encoding="utf-8")


def read_settings(path: str | Path) -> Settings:
    """The settings that a TOML file holds. Paths in it are as seen from where the command is called.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no TOML, or says something unknown, impossible or too little; the message names it.
    """
    text = Path(path).expanduser().read_bytes()
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        try:
            import tomli as tomllib
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("Python 3.10 cannot read TOML by itself: pip install tomli.") from error
    try:
        content = tomllib.loads(text.decode("utf-8"))
    except ValueError as error:  # of TOML, and of UTF-8
        raise ValueError(f"{path} is no TOML file: {reason_of(error)}.") from None
    try:
        return _settings(content, text.decode("utf-8"))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None


def _settings(content: Mapping[str, Any], text: str) -> Settings:
    from cnnlab.models.registry import list_models
    from cnnlab.training.recipe import Recipe

    tables = {"model": ModelTable, "data": DataTable, "recipe": Recipe, "output": OutputTable}
    for name, table in content.items():
        if name not in tables:
            raise unknown_name("table", name, tables, "" if isinstance(table, dict) else "Keys stand in a [table].")
    if missing := [name for name in tables if not isinstance(content.get(name), dict)]:
        raise ValueError(
            f"the table [{missing[0]}] is missing. `python -m cnnlab.train --example` prints a whole file."
        )
    model = _table("model", ModelTable, content["model"])
    if model.name not in list_models():
        raise unknown_name("[model] name", model.name, list_models())
    data, output = _table("data", DataTable, content["data"]), _table("output", OutputTable, content["output"])
    if data.dataset is not None:
        from cnnlab.data import list_datasets

        if data.dataset not in list_datasets():
            raise unknown_name("[data] dataset", data.dataset, list_datasets())
    return Settings(model, data, _recipe(content["recipe"]), output, text)


def _table(name: str, kind: type, given: Mapping[str, Any]) -> Any:
    known = {f.name: f for f in fields(kind)}
    hints = typing.get_type_hints(kind)
    for key in given:
        if key not in known:
            raise unknown_name(f"[{name}] key", key, known)
    for key, f in known.items():
        if f.default is MISSING and key not in given:
            raise ValueError(f"[{name}] needs {key} = ...")
    return kind(**{key: _value(f"[{name}] {key}", value, hints[key]) for key, value in given.items()})


def _value(what: str, value: Any, hint: Any) -> Any:
    """``value`` if it is of the type that a field wants."""
    kinds = [hint] if not isinstance(hint, types.UnionType) else list(typing.get_args(hint))
    for kind in kinds:
        if typing.get_origin(kind) is tuple:
            each = typing.get_args(kind)
            if isinstance(value, list) and len(value) == len(each):
                return tuple(_value(what, one, of) for one, of in zip(value, each))
        elif kind is float and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        elif type(value) is kind:
            return value
    words = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
    wanted = " or ".join(words.get(kind, "a list of two numbers") for kind in kinds if kind is not type(None))
    raise ValueError(f"{what}={value!r} must be {wanted}.")


def _recipe(given: Mapping[str, Any]) -> Recipe:
    from cnnlab.training.recipe import Recipe
    from cnnlab.training.schedules import Cosine, OneCycle, Step

    known = [f.name for f in fields(Recipe) if f.name not in _NOT_HERE]
    values = dict(given)
    for key, value in values.items():
        if key not in known:
            remedy = "[data] says how pictures are changed." if key == "augment" else ""
            raise unknown_name("[recipe] key", key, known, remedy)
        switch = key in ("amp", "nesterov", "sync_batch_norm")
        if isinstance(value, bool) != switch:
            raise ValueError(f"[recipe] {key}={value!r} must be {'true or false' if switch else 'no truth value'}.")
        if isinstance(value, dict | list) and key != "schedule":
            raise ValueError(f"[recipe] {key}={value!r} must be one value.")
    if "epochs" not in values:
        raise ValueError("[recipe] needs epochs = ...")
    if isinstance(schedule := values.get("schedule"), dict):
        arguments = {key: tuple(value) if isinstance(value, list) else value for key, value in schedule.items()}
        kinds = {"cosine": Cosine, "step": Step, "onecycle": OneCycle}
        kind = kinds.get(name := arguments.pop("name", None))
        if kind is None:
            raise unknown_name("[recipe] schedule: name", name, kinds)
        for key in arguments:
            if key not in (own := [f.name for f in fields(kind)]):
                raise unknown_name(f"[recipe] schedule: {name} key", key, own)
        values["schedule"] = kind(**arguments)
    try:
        return Recipe(**values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"[recipe] {error}") from None
