"""Models and weights from outside: files and state dicts, the way back to torchvision, networks of a reader's own."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

import cnnlab
from cnnlab.catalog import family_tree, zoo_table
from cnnlab.meta import on_meta
from cnnlab.models import OwnModel, model_info, registry
from cnnlab.weights import sources, to_torchvision, transplant
from cnnlab.weights.torchvision_weights import bare
from cnnlab.widgets import model_chart, model_table
from tests.contract import relative_difference, uninitialized
from tests.models_contract import FAULTS

pytestmark = pytest.mark.usefixtures("one_thread")

# In every run some small ones with numbers; of one of each network class, names and shapes.
TORCHVISIONS = [name for name in cnnlab.list_models() if model_info(name).library == "torchvision"]
SMALL = {"mnasnet0_5", "mobilenet_v3_small", "resnet18", "shufflenet_v2_x0_5", "squeezenet1_1"}
WITH_NUMBERS = [pytest.param(name, marks=() if name in SMALL else pytest.mark.full) for name in TORCHVISIONS]
OF_EACH = [pytest.param(n, marks=() if n in FAULTS or "_b_" in n else pytest.mark.full) for n in TORCHVISIONS]


@pytest.fixture
def registered() -> Iterator[None]:
    """What a test registers is gone after it."""
    before = dict(registry._OWN)
    yield
    registry._OWN.clear()
    registry._OWN.update(before)


@torch.no_grad()
def fill(model: nn.Module) -> None:
    """Every number another one than its neighbors, in another way in each tensor."""
    for place, tensor in enumerate(t for t in model.state_dict().values() if t.is_floating_point()):
        tensor.copy_((torch.arange(tensor.numel()).remainder(1009) / 1009 + place % 97).reshape(tensor.shape))


def filled(name: str, **options: Any) -> nn.Module:
    """A network of ours as `fill` leaves it."""
    with uninitialized():
        model = cnnlab.create_model(name, **options)
    fill(model)
    return model


class Stack(nn.Module):
    """Dense layers of one size, under names that are given; they could be taken for each other."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        for name in names:
            self.add_module(name, nn.Linear(4, 4))


class Lenet(nn.Module):
    """LeNet-5 as somebody else wrote it: the same layers, other names."""

    def __init__(self, classes: int = 10, last: str = "classifier") -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.conv3, self.dense = nn.Conv2d(16, 120, 5), nn.Linear(120, 84)
        self.add_module(last, nn.Linear(84, classes))


# --- the way back --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_EACH)
def test_torchvision_takes_the_names_and_shapes(name: str):
    with on_meta():
        state = to_torchvision(cnnlab.create_model(name))
    wanted = bare(name).state_dict()
    assert [(key, tensor.shape) for key, tensor in state.items()] == [(k, t.shape) for k, t in wanted.items()]


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_NUMBERS)
def test_torchvisions_state_dict_comes_in_and_goes_out_to_the_bit(name: str):
    ours = filled(name)
    state = to_torchvision(ours)
    theirs = bare(name)
    theirs.load_state_dict(state, assign=True)  # all names, all shapes, and no other
    assert list(state) == list(theirs.state_dict())
    own = {tensor.data_ptr() for tensor in ours.state_dict().values()}
    assert not own & {tensor.data_ptr() for tensor in state.values()}
    with uninitialized():
        by_module, by_names = cnnlab.create_model(name), cnnlab.create_model(name)
    transplant(theirs, by_module)
    transplant(state, by_names)
    kept = [key for key in ours.state_dict() if not key.endswith("num_batches_tracked")]
    for copied in (by_module, by_names):
        assert all(torch.equal(copied.state_dict()[key], ours.state_dict()[key]) for key in kept)


@pytest.mark.parametrize(("name", "size"), [("resnet18", 33), ("squeezenet1_1", 64), ("mobilenet_v3_small", 65)])
def test_outputs_there_and_here_are_equal_for_other_classes_and_after_training(name: str, size: int):
    torch.manual_seed(0)
    ours = cnnlab.create_model(name, num_classes=7)
    optimizer = torch.optim.SGD(ours.parameters(), 1e-4)
    for _ in range(2):
        ours(torch.randn(4, 3, size, size)).mean().backward()
        optimizer.step()
    theirs = getattr(torchvision.models, name)(num_classes=7)
    theirs.load_state_dict(to_torchvision(ours))
    assert relative_difference(theirs, ours, torch.randn(2, 3, size, size)) < 1e-6
    counters = [key for key in theirs.state_dict() if key.endswith("num_batches_tracked")]
    assert {int(theirs.state_dict()[key]) for key in counters} <= {2}


def test_gray_vision_transformers_and_meta_networks_go_out_too():
    with on_meta():
        ours = cnnlab.create_model("vit_b_32", in_channels=1, num_classes=3)
    state = to_torchvision(ours)
    assert state["conv_proj.weight"].shape == (768, 1, 32, 32) and state["heads.head.weight"].shape == (3, 768)
    with on_meta():
        assert to_torchvision(cnnlab.create_model("vgg16"))["classifier.0.weight"].is_meta


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cnnlab.create_model("lenet5"), "torchvision has no lenet5, .*model.state_dict()"),
        (lambda: cnnlab.create_model("resnet18", small_input=True), "torchvision has no resnet18 for small pictures"),
        (lambda: cnnlab.create_model("mobilenetv1_100"), "torchvision has no mobilenetv1_100.*It is timm's"),
        (torchvision.models.squeezenet1_1, "SqueezeNet was not built by cnnlab.create_model"),
    ],
)
def test_where_torchvision_has_no_such_network_it_says_so(make: Callable[[], nn.Module], message: str):
    with pytest.raises(ValueError, match=message):
        to_torchvision(make())


def test_a_changed_network_does_not_go_out():
    model = cnnlab.create_model("resnet18")
    model.head = nn.Sequential(nn.Linear(512, 8), nn.Linear(8, 2))
    with pytest.raises(ValueError, match=r"has 41 layers .* the model 42.*the model goes on with fc.1"):
        to_torchvision(model)


# --- files and state dicts -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pth", "safetensors", "lightning", "parallel", "ours", "checkpoint", "compiled"])
def test_ones_own_file_is_a_model_in_one_line(kind: str, tmp_path: Path):
    name = "resnet18" if kind == "pth" else "squeezenet1_1"
    theirs = getattr(torchvision.models, name)(num_classes=7)
    state, path = theirs.state_dict(), tmp_path / "mine.pth"
    if kind == "safetensors":  # which lists its tensors by the alphabet
        from safetensors.torch import save_file

        path = tmp_path / "mine.safetensors"
        save_file(state, path)
    elif kind == "lightning":
        losses = {"criterion.weight": torch.ones(7)}
        torch.save({"epoch": 3, "state_dict": {f"model.{k}": v for k, v in state.items()} | losses}, path)
    elif kind == "parallel":
        torch.save({"model_state_dict": {f"module.{k}": v for k, v in state.items()}, "loss": 0.3}, path)
    elif kind == "compiled":
        torch.save({f"_orig_mod.{k}": v for k, v in state.items()}, path)
    elif kind in ("ours", "checkpoint"):
        ours = cnnlab.create_model(name, num_classes=7)
        transplant(theirs, ours)
        torch.save(ours.state_dict() if kind == "ours" else {"model": ours.state_dict(), "optimizer": {}}, path)
    else:
        torch.save(state, path)
    model = cnnlab.create_model(name, weights=str(path) if kind == "pth" else path)
    assert model.head.weight.shape[0] == 7 and not model.training
    assert relative_difference(theirs, model, torch.randn(1, 3, 64, 64)) < 1e-6
    fresh = cnnlab.create_model(name, weights=path, num_classes=3)  # a fresh head, and the trunk
    kept = [key for key in model.state_dict() if not key.startswith(f"{model.info.head}.")]
    assert fresh.head.weight.shape[0] == 3
    assert all(torch.equal(fresh.state_dict()[key], model.state_dict()[key]) for key in kept)


def test_weights_may_be_a_state_dict_or_a_module_and_for_small_pictures():
    small = filled("resnet18", small_input=True, num_classes=5, in_channels=1)
    for weights in (small, small.state_dict()):
        twin = cnnlab.create_model("resnet18", small_input=True, in_channels=1, weights=weights)
        assert all(torch.equal(twin.state_dict()[key], value) for key, value in small.state_dict().items())
    with pytest.raises(ValueError, match=r"conv1.*\(64, 1, 3, 3\).*\(64, 3, 3, 3\).*in_channels=1"):
        cnnlab.create_model("resnet18", small_input=True, weights=small.state_dict())


def test_other_names_are_matched_by_order_and_said():
    theirs, ours = Lenet(7), cnnlab.create_model("lenet5", num_classes=7)
    done = transplant(theirs.state_dict(), ours)
    assert torch.equal(ours.output.weight, theirs.classifier.weight) and torch.equal(ours.c3.bias, theirs.conv2.bias)
    assert done.pairs[1] == ("conv2", "c3") and done.how == "order" and not done.settings_known
    said = "5 layers copied, matched by the order of their definition: conv1 -> c1, .*output.*nothing of strides"
    assert str(done) == repr(done)
    assert re.match(said, str(done))
    assert cnnlab.create_model("lenet5", weights=theirs.state_dict()).output.out_features == 7
    done = transplant({f"net.{k}": v for k, v in ours.state_dict().items()} | {"steps": torch.ones(1)}, ours)
    assert (done.how, done.left_over, done.settings_known) == ("name", ("steps",), True)
    assert "matched by their names" in str(done) and "Left over in the source: steps" in str(done)


def test_a_head_by_its_name_for_a_module_of_ones_own():
    theirs, ours = Lenet(7), Lenet(3)
    before = ours.classifier.weight.clone()
    done = transplant(theirs, ours, fresh_head="classifier")
    assert done.fresh == ("classifier",) and "Left fresh" in str(done)
    assert torch.equal(ours.classifier.weight, before) and torch.equal(ours.dense.weight, theirs.dense.weight)
    with pytest.raises(ValueError, match=r"fresh_head='classifer' is not known.*'classifier'"):
        transplant(theirs, ours, fresh_head="classifer")


def alphabetical(model: nn.Module) -> dict[str, torch.Tensor]:
    return dict(sorted(model.state_dict().items()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "model", "message"),
    [
        (
            lambda: alphabetical(Stack("q", "k", "v")),
            Stack("a", "b", "c"),
            "k .* and q .* by the alphabet.*not certain",
        ),
        (lambda: alphabetical(Stack("l1", "l2", "l10")), Stack("a", "b", "c"), "l10 .* and l2 .*not certain"),
        (
            lambda: Stack("q", "k", "x").state_dict(),
            Stack("k", "q", "y"),
            "q .* fits k .* by its place and q by its name",
        ),
        (
            lambda: {f"a.{key}": value for key, value in Stack("q", "k", "x").state_dict().items()},
            nn.ModuleDict({"b": Stack("k", "q", "y")}),
            "a.q .* and a.k of the source fit b.k and b.q .*names are crossed.*not certain",
        ),
        (
            lambda: {k.replace("classifier.b", "clasifier.b"): v for k, v in Lenet().state_dict().items()},
            Lenet(),
            r"has 9 of the 10 names that are the model's.*lacks classifier.bias \(nearest there: clasifier.bias\)",
        ),
        (
            lambda: cnnlab.create_model("resnet34").state_dict(),
            cnnlab.create_model("resnet18"),
            r"every name of the network and 80 besides: conv2.2.conv1.weight.*larger network",
        ),
        (
            lambda: torchvision.models.resnet34().state_dict(),
            cnnlab.create_model("resnet18"),
            r"every name of the network and 80 besides: layer1.2.conv1.weight",
        ),
        (
            lambda: torchvision.models.resnet18().state_dict(),
            cnnlab.create_model("resnet34"),
            r"has 102 of the 182 names that are torchvision's, but it lacks layer1.2.conv1.weight.* and 77 more",
        ),
        (
            lambda: torchvision.models.resnet18(num_classes=7).state_dict(),
            cnnlab.create_model("resnet18"),
            r"fc.*\(7, 512\).*\(1000, 512\).*num_classes=7.*fresh_head=True",
        ),
        (
            lambda: {
                f"{who}.{key}": value for who in ("student", "teacher") for key, value in Lenet().state_dict().items()
            },
            Lenet(),
            r"all names of the network 2 times: student.\*, teacher.\*",
        ),
        (lambda: Stack("a", "b").state_dict(), Stack("x", "y", "z"), r"has 2 layers.*model 3.*Left over.*in the model"),
    ],
)
def test_what_is_not_certain_is_refused_and_nothing_is_copied(state: Callable, model: nn.Module, message: str):
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=message) as caught:
        transplant(state(), model)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_numbered_layers_by_the_alphabet_and_names_in_order_are_certain():
    for names in (("l1", "l2", "l3"), ("q", "k", "v")):
        source, model = Stack(*names), Stack("a", "b", "c")
        transplant(alphabetical(source) if names[0] == "l1" else source.state_dict(), model)
        assert torch.equal(model.b.weight, source.get_submodule(names[1]).weight)


class Malice:
    def __reduce__(self) -> tuple:
        return (pytest.fail, ("a file ran code",))


def test_files_that_are_not_weights_say_so_in_a_line(tmp_path: Path):
    model, path = cnnlab.create_model("lenet5"), tmp_path / "mine.pth"
    torch.save(model.state_dict(), path)
    whole = path.read_bytes()
    contents: dict[str, tuple[Callable[[], Any], str]] = {
        "truncated": (lambda: path.write_bytes(whole[: len(whole) // 2]), r"could not be read \(.*Give a whole file"),
        "empty": (lambda: path.write_bytes(b""), "could not be read"),
        "text": (lambda: path.write_text("<html>not found</html>"), "could not be read .*something else than tensors"),
        "code": (lambda: torch.save({"weight": Malice()}, path), "could not be read .*something else than tensors"),
        "module": (lambda: torch.save(model, path), "could not be read .*torch.save\\(model.state_dict"),
        "list": (lambda: torch.save([1, 2], path), "holds no state dict, but a list"),
        "settings": (lambda: torch.save({"epoch": 3, "lr": 0.1}, path), "no state dict, but a dict of 'epoch', 'lr'"),
        "two": (
            lambda: torch.save({"a": model.state_dict(), "b": model.state_dict()}, path),
            "2 state dicts: 'a', 'b'",
        ),
    }
    for write, said in contents.values():
        write()
        for ask in (lambda: transplant(path, model), lambda: cnnlab.create_model("lenet5", weights=str(path))):
            with pytest.raises(ValueError, match=said) as caught:
                ask()
            assert (
                "\n" not in str(caught.value)
                and len(str(caught.value)) < 400
                and "weights_only" not in str(caught.value)
            )
    (tmp_path / "mine.safetensors").write_bytes(b"not that")
    with pytest.raises(ValueError, match="could not be read"):
        transplant(tmp_path / "mine.safetensors", model)
    for missing, said in ((tmp_path / "nowhere.pth", "does not exist"), (tmp_path, "is a folder")):
        with pytest.raises(FileNotFoundError, match=said):
            cnnlab.create_model("lenet5", weights=missing)
    with pytest.raises(TypeError, match="source is a int: give a module, a state dict, or the path"):
        transplant(3, model)


# --- networks of one's own -----------------------------------------------------------------------------------------


class Mine(nn.Module):
    def __init__(self, num_classes: int = 4, in_channels: int = 1) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(in_channels, 5, 3), nn.Linear(5, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv(x).mean(dim=(2, 3)))


class Wide(nn.Module):
    def __init__(self, width: int, num_classes: int = 2, *, depth: int) -> None:
        super().__init__()


class Bare(nn.Module):
    """No constructor of its own: nn.Module's signature takes anything, and nothing."""


def test_a_class_is_enough(registered):
    assert cnnlab.register(Mine) is Mine
    model = cnnlab.create_model("Mine", num_classes=3, in_channels=2)
    assert model(torch.zeros(1, 2, 9, 9)).shape == (1, 3) and model.name == "Mine" and model.training
    assert cnnlab.create_model("Mine").fc.out_features == 4  # its own default
    info = model_info("Mine")
    assert isinstance(info, OwnModel) and (info.paper, info.year, info.library, info.family) == (
        None,
        None,
        None,
        "own",
    )
    assert cnnlab.list_models("Min*") == ["Mine"] and cnnlab.list_models("Min*", own=False) == []


def test_every_way_to_register_and_the_cell_run_twice(registered):
    @cnnlab.register
    class First(Mine): ...

    for size in (8, 16):  # the cell was changed

        @cnnlab.register("second", input_size=(3, size, size), num_classes=6, family="Mine", year=2026)
        class Second(Mine): ...

    cnnlab.register(lambda num_classes: Mine(num_classes, 3), "third")
    cnnlab.register(torchvision.models.squeezenet1_1, "fourth")
    cnnlab.register(functools.partial(Wide, 3, depth=2), "fifth")
    cnnlab.register(Bare)
    assert isinstance(cnnlab.create_model("First"), First)
    second = cnnlab.create_model("second")
    assert second.input_size == (3, 16, 16) and second.fc.out_features == 6 and second.conv.in_channels == 3
    assert cnnlab.create_model("third", num_classes=2).fc.out_features == 2
    assert cnnlab.create_model("fourth", num_classes=2).classifier[1].out_channels == 2
    assert isinstance(cnnlab.create_model("fifth"), Wide) and isinstance(cnnlab.create_model("Bare"), Bare)
    assert cnnlab.summarize("second").params == (3 * 9 + 1) * 5 + (5 + 1) * 6


def test_the_books_tables_stay_the_books(registered):
    before = (
        cnnlab.list_models(),
        [row.name for row in zoo_table("lenet*")],
        len(family_tree()),
        len(sources("resnet*")),
    )
    cnnlab.register(Mine, "lenet_of_mine", input_size=(1, 16, 16))
    cnnlab.register(Mine, "lenet_without_a_size")
    assert set(cnnlab.list_models()) - set(before[0]) == {"lenet_of_mine", "lenet_without_a_size"}
    after = [row.name for row in zoo_table("lenet*")], len(family_tree()), len(sources("resnet*"))
    assert after == before[1:]
    row = next(row for row in zoo_table("lenet*", own=True) if row.name == "lenet_of_mine")
    assert (row.paper, row.year, row.size, row.params) == (None, None, 16, 74)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cnnlab.register(Mine, "resnet18"), ValueError, "name='resnet18' is taken by a network of cnnlab"),
        (lambda: cnnlab.register(Mine(), "mine"), TypeError, "built already: give the class, or a function"),
        (lambda: cnnlab.register(lambda: Mine()), ValueError, "has no name of its own.*register"),
        (
            lambda: cnnlab.register(Wide),
            ValueError,
            r"Wide cannot be built without width, depth.*lambda num_classes: Wide\(",
        ),
        (lambda: cnnlab.register(int), TypeError, "int is no network: give a class that derives from nn.Module"),
        (lambda: cnnlab.register("a", "b"), TypeError, r"two names and no network.*register\(MyNet, 'b'\)"),
        (lambda: cnnlab.register(3, "mine"), TypeError, "network is a int: give the class, or a function"),
        (lambda: cnnlab.create_model("thing"), TypeError, "gave a int; it has to return an nn.Module"),
        (
            lambda: cnnlab.create_model("Bare", num_classes=3),
            ValueError,
            "num_classes=3: .*'Bare' takes no num_classes",
        ),
        (lambda: cnnlab.create_model("Mine", num_classes=0), ValueError, "num_classes=0 .*positive whole number"),
        (
            lambda: cnnlab.create_model("Mine", small_input=True),
            ValueError,
            "small_input=True: Mine is a network of your",
        ),
        (lambda: cnnlab.create_model("Mine", weights="imagenet"), ValueError, "no official weights for 'Mine'"),
        (lambda: cnnlab.create_model("Mein"), ValueError, r"'Mein' is not known. Did you mean 'Mine'.*cnnlab.register"),
    ],
)
def test_mistakes_with_ones_own_networks(registered, call: Callable, error: type[Exception], message: str):
    for network, name in ((Mine, None), (Bare, None), (lambda: 3, "thing")):
        cnnlab.register(network, name)
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_head_makes_features_and_files_of_other_classes_work(registered, tmp_path: Path):
    class Known(cnnlab.models.Network):
        def __init__(self, num_classes: int = 4) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 5, 3), nn.Linear(5, num_classes)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.conv(x).mean(dim=(2, 3)))

    for network, name in ((Known, "known"), (Mine, "mine")):
        cnnlab.register(network, name, head="fc")
        model = cnnlab.create_model(name, num_classes=6)
        torch.save(model.state_dict(), tmp_path / "six.pth")
        again = cnnlab.create_model(name, weights=tmp_path / "six.pth")
        assert torch.equal(again.fc.weight, model.fc.weight)
        assert cnnlab.create_model(name, weights=tmp_path / "six.pth", num_classes=2).fc.out_features == 2
    known = cnnlab.create_model("known")
    assert known.features(torch.zeros(1, 3, 8, 8)).shape == (1, 5)
    known.new_head(9)
    assert known(torch.zeros(1, 3, 8, 8)).shape == (1, 9)
    cnnlab.register(Known, "headless")
    with pytest.raises(RuntimeError, match=r"headless was registered without its head.*head='fc'"):
        cnnlab.create_model("headless").new_head(3)


def test_a_class_that_uses_the_same_words_for_other_things_keeps_them(registered):
    class Words(nn.Module):
        input_size = 28

        @property
        def name(self) -> str:
            return "a property"

    cnnlab.register(Words, "words", input_size=(1, 2, 3))
    model = cnnlab.create_model("words")
    assert (model.name, model.input_size) == ("a property", 28)


# --- tables of models that have no paper ---------------------------------------------------------------------------


def test_one_row_fits_table_and_chart():
    bare_row = {"name": "mine", "params": 10, "macs": 20}
    rows = [bare_row | {"acc1": 50.0}, bare_row | {"name": "his", "checkpoint1": 60.0, "paper": "He", "url": None}]
    table, chart = model_table(rows), model_chart(rows)
    assert "<svg" not in repr(table) and table.params["data"]["rows"] is not None and chart is not None
    shown = [field for field, _ in table.params["data"]["heads"]]
    assert "year" not in shown and table.params["state"]["by"] == shown.index("name")
    at = shown.index("checkpoint1")
    assert [row[at] for row in table.params["data"]["rows"]] == [50.0, 60.0]
    assert [row[shown.index("paper")] for row in table.params["data"]["rows"]] == [None, 0]
    assert table.params["data"]["papers"] == [("He", None)]
    assert [row[5] for row in chart.params["data"]["rows"]] == [50.0, 60.0]
    assert {row[1] for row in chart.params["data"]["rows"]} == {"other"}
    assert model_table([bare_row]).params["data"]["papers"] == []
    with pytest.raises(ValueError, match="becomes a link"):
        model_table([bare_row | {"url": "javascript:alert(1)"}])
