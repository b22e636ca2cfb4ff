"""The table of torchvision's ImageNet checkpoints, and the Pareto front."""

import pytest

from cnnlab.catalog.torchvision_zoo import imagenet_checkpoints, pareto_front


@pytest.fixture(scope="module")
def zoo():
    return imagenet_checkpoints()


def test_known_rows(zoo):
    rows = {(c.model, c.weights): c for c in zoo}
    first, second = rows["resnet50", "IMAGENET1K_V1"], rows["resnet50", "IMAGENET1K_V2"]
    assert (first.acc1, second.acc1) == (76.130, 80.858)
    assert (first.params, first.macs, first.size) == (25_557_032, 4_089_000_000, 224)
    assert (first.default, second.default) == (False, True)
    assert (first.family, first.year) == ("ResNet", 2015)


def test_every_model_has_one_default_a_known_family_and_sane_numbers(zoo):
    assert len({(c.model, c.weights) for c in zoo}) == len(zoo)
    assert {c.model for c in zoo} == {c.model for c in zoo if c.default}
    assert sum(c.default for c in zoo) == len({c.model for c in zoo})
    assert all(c.year is not None for c in zoo), [c.model for c in zoo if c.year is None]
    assert all(50 < c.acc1 < c.acc5 < 100 and c.params > 1e6 and c.macs > 1e7 and c.size >= 224 for c in zoo)
    assert {c.family for c in zoo if c.extra_data} == {"RegNetY", "ViT"}


def test_our_count_of_macs_agrees():
    from cnnlab.analysis import summarize

    rows = {c.model: c for c in imagenet_checkpoints()}
    for name in ("resnet18", "resnet50"):
        assert summarize(name).params == rows[name].params
        assert summarize(name).macs == pytest.approx(rows[name].macs, rel=1e-3)


def test_pareto_front():
    assert pareto_front([], []) == []
    assert pareto_front([3, 1, 2], [70, 60, 50]) == [1, 0]
    assert pareto_front([1, 1, 2], [60, 65, 65]) == [1]  # same price and worse; dearer and no better
    assert pareto_front([1, 1], [60, 60]) == [0, 1]
    with pytest.raises(ValueError, match="2 costs and 1 accuracies"):
        pareto_front([1, 2], [60])


def test_pareto_front_is_what_its_definition_says(zoo):
    costs, accuracies = [c.macs for c in zoo], [c.acc1 for c in zoo]

    def beaten(i):
        return any(
            costs[j] <= costs[i]
            and accuracies[j] >= accuracies[i]
            and (costs[j], accuracies[j]) != (costs[i], accuracies[i])
            for j in range(len(costs))
        )

    assert sorted(pareto_front(costs, accuracies)) == [i for i in range(len(costs)) if not beaten(i)]
