"""The zoo's table: what stands in a row belongs together, and what papers printed agrees with itself."""

from __future__ import annotations

import re
from dataclasses import asdict
from types import SimpleNamespace

import pytest
from torchvision import models

from cnnlab import widgets
from cnnlab.catalog import lineage, zoo
from cnnlab.catalog.torchvision_zoo import extra_data
from cnnlab.catalog.zoo import RECIPES, ZooRow, chart_points, table_rows, zoo_table
from cnnlab.models import list_models, model_info
from cnnlab.weights import sources
from tools.chapters import toc

PUBLISHED = [name for name in list_models() if model_info(name).published]


def check_costs(row: ZooRow) -> None:
    """The row's parameters and MACs are those of its checkpoint, as torchvision says."""
    entry = models.get_model_weights(row.name)[row.checkpoint]
    assert row.params == entry.meta["num_params"]
    assert round(row.macs / 1e9, 3) == pytest.approx(entry.meta["_ops"], abs=0.0011)


def check_checkpoint(row: ZooRow) -> None:
    """The row's accuracies are those of one checkpoint, measured at the row's size."""
    assert row.checkpoint is not None
    entry = models.get_model_weights(row.name)[row.checkpoint]
    measured = entry.meta["_metrics"]["ImageNet-1K"]
    assert (row.checkpoint1, row.checkpoint5) == (measured["acc@1"], measured["acc@5"])
    assert row.size == entry.transforms().crop_size[0]
    assert row.extra_data == ("SWAG" in row.checkpoint)
    for accuracy in row.recipes:
        assert accuracy.recipe in RECIPES
        if accuracy.recipe == "paper":
            assert (accuracy.top1, accuracy.top5) == (row.published1, row.published5)
        else:
            other = models.get_model_weights(row.name)[accuracy.source]
            assert other.transforms().crop_size[0] == row.size
            assert other.meta["_metrics"]["ImageNet-1K"] == {"acc@1": accuracy.top1, "acc@5": accuracy.top5}
    assert row.checkpoint in {accuracy.source for accuracy in row.recipes}


@pytest.mark.parametrize("name", ["regnet_y_128gf", "vit_h_14", "efficientnet_b1", "resnet50"])
def test_a_row_belongs_together(name):
    (row,) = zoo_table(name)
    check_checkpoint(row)
    check_costs(row)


def test_every_rows_checkpoint_is_for_its_size(monkeypatch):
    """Without the pass that counts costs, which the next test makes."""
    monkeypatch.setattr(zoo, "create_model", lambda name: name)
    monkeypatch.setattr(zoo, "summarize", lambda name: SimpleNamespace(params=0, macs=0))
    rows = [row for row in zoo_table() if row.checkpoint]
    assert len(rows) > 70
    for row in rows:
        check_checkpoint(row)


@pytest.mark.full
def test_all_rows_belong_together():
    for row in zoo_table():
        if row.checkpoint:
            check_checkpoint(row)
            check_costs(row)


def test_a_checkpoint_for_larger_pictures_is_not_the_rows():
    """88.228 % of regnet_y_128gf were measured at 384 px and 374.57 GMACs."""
    (row,) = zoo_table("regnet_y_128gf")
    assert (row.size, row.checkpoint, row.checkpoint1) == (224, "IMAGENET1K_SWAG_LINEAR_V1", 86.068)
    assert row.macs / 1e9 == pytest.approx(127.518, abs=0.001)
    assert row.extra_data and [a.recipe for a in row.recipes] == ["extra"]


def test_recipes_of_one_network():
    (row,) = zoo_table("resnet50")
    assert {a.recipe: (a.top1, a.top5) for a in row.recipes} == {
        "paper": (77.15, 93.29),
        "own": (76.13, 92.862),
        "new": (80.858, 95.434),
    }
    assert not row.extra_data


def test_rows_fit_the_chart_and_the_table():
    rows = zoo_table("resnet20_cifar") + zoo_table("resnet50")
    (point,) = chart_points(rows, {"resnet50": 63.2})
    assert (point["name"], point["latency"], point["recipes"]["new"]) == ("resnet50", 63.2, (80.858, 95.434))
    assert "1 models" in widgets.model_chart([point]).alt
    table = table_rows(rows)
    assert table[0]["published_by"] == "CIFAR-10: table 6: 8.75 % error"
    data = widgets.model_table(table).params["data"]
    assert len(data["rows"]) == len(rows) and data["chapters"] == {"architectures/resnet": [0, 1]}


def test_extra_data_by_name():
    for source in sources():
        told = re.search("SWAG|in22k|in21k|yfcc|ig1b", source.weights) is not None
        assert extra_data(source.weights) == told, source.weights
    assert extra_data("tf_efficientnet_b7.ns_jft_in1k") and not extra_data("sign_in1k")


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_accuracy_agrees_with_the_line_that_it_is_from(name):
    """Percentages in the source's line are errors, or it gives none; top-5 is more than top-1, and both can be."""
    published = model_info(name).published
    assert 40 < published.top1 < 100
    if published.top5 is not None:
        # The share of mistakes that five guesses do not mend falls with the mistakes; all 50 figures keep to a line.
        wrong = 100 - published.top1
        assert abs((100 - published.top5) / wrong - (0.04 + 0.0105 * wrong)) < 0.05
    errors = [float(number) for number in re.findall(r"(\d+\.?\d*) %", published.source)]
    assert not re.search(r"\d%", published.source), "a space before the sign, so that this test sees it"
    if "errors" in published.source:
        assert [100 - published.top1, 100 - published.top5] == pytest.approx(errors, abs=1e-6)
    elif errors:
        assert 100 - published.top1 == pytest.approx(errors[0], abs=1e-6)


def test_a_published_accuracy_is_near_the_checkpoints():
    """A recipe is worth some points, an exchanged digit more; what a checkpoint adds to top-1 it adds to top-5."""
    for source in sources():
        published = model_info(source.name).published
        if source.top1 is None or source.top5 is None or published is None or extra_data(source.weights):
            continue
        assert abs(published.top1 - source.top1) < 4.1, source
        if published.top5 is not None:
            assert abs(published.top5 - source.top5) < 2.5, source


def test_years_are_those_of_the_papers():
    for name in list_models():
        info = model_info(name)
        arxiv = re.search(r"arxiv\.org/abs/(\d\d)\d\d\.", info.url)
        years = {"3065386": 2012, "5.726791": 1998, "323533a0": 1986}
        years["higher-accuracy-on-vision-models-with-efficientnet-lite.html"] = 2020
        assert info.year == (2000 + int(arxiv[1]) if arxiv else years[info.url.rpartition("/")[2]]), name


def test_within_one_table_the_larger_network_is_better():
    """Of the same family and the same line of a source, in order of what they cost."""
    ordered = [
        ("efficientnet_b", range(8)),
        ("densenet", (121, 169, 201, 264)),
        ("resnet", (34, 50, 101, 152)),
        ("convnext_", ("tiny", "small", "base", "large")),
        ("convnextv2_", ("atto", "femto", "pico", "nano", "tiny", "base", "large", "huge")),
        ("mobilenetv1_", ("025", "050", "075", "100")),
        ("shufflenet_v2_x", ("0_5", "1_0", "1_5", "2_0")),
        ("legacy_seresnet", (50, 101, 152)),
        ("vgg", (11, 13, 16, 19)),
        ("regnet_x_", ("800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")),
        ("regnet_y_", ("400mf", "1_6gf", "3_2gf", "16gf", "32gf")),
    ]
    for stem, sizes in ordered:
        found = [model_info(f"{stem}{size}").published for size in sizes]
        assert [p.top1 for p in found] == sorted(p.top1 for p in found), stem
        if all(p.top5 for p in found):
            assert [p.top5 for p in found] == sorted(p.top5 for p in found), stem


def test_a_row_can_be_shown_as_data():
    (row,) = zoo_table("lenet5_1998")
    assert asdict(row)["recipes"] == () and row.checkpoint is None and row.dataset == "MNIST"


def test_each_chapter_is_linked_from_the_tree_and_the_table():
    named = {step.chapter for step in lineage.LINEAGE if step.chapter}
    pages = {page.removeprefix("book/") for page in toc()}
    assert named <= pages
    assert {page for page in pages if page.startswith("architectures/")} <= named | {"architectures/zoo"}
    assert lineage.chapter_of("wrn28_10_cifar") == "architectures/beyond_resnet"
    assert lineage.chapter_of("mlp_mnist") is None
