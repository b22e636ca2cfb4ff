"""The decision tree: every leaf can be reached, and its claim is what the counts say."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from cnnlab import summarize
from cnnlab.convolutions import Advice, Question, compare_convolutions, decision_tree, recommend
from cnnlab.convolutions.choosing import questions
from cnnlab.convolutions.trial import TRIAL_LAYERS, TRIAL_WIDTHS, trial_network
from tests.test_chapters import ROOT

SETTINGS = [(128, 128, 3, 56, 4), (512, 512, 3, 14, 4), (32, 64, 7, 112, 4), (64, 64, 5, 28, 8), (256, 256, 3, 28, 8)]


def leaves(node: Question | Advice) -> list[Advice]:
    return [node] if isinstance(node, Advice) else leaves(node.yes) + leaves(node.no)


def needs_of(variant: str, node: Question | Advice | None = None) -> tuple[str, ...] | None:
    """The needs that lead to a leaf."""
    node = decision_tree() if node is None else node
    if isinstance(node, Advice):
        return () if node.variant == variant else None
    for need, branch in (((node.need,), node.yes), ((), node.no)):
        found = needs_of(variant, branch)
        if found is not None:
            return need + found
    return None


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_every_claim_holds(setting):
    *layer, groups = setting
    table = compare_convolutions(*layer, groups=groups, measure=False)
    for leaf in leaves(decision_tree()):
        assert leaf.holds(table), leaf.claim


def test_the_tree_for_a_phone_is_narrow_and_has_the_same_words():
    from cnnlab import draw

    figures = [draw.decision_tree(decision_tree(), narrow=narrow) for narrow in (False, True)]
    said = [sorted(" ".join(text.get_text().split()) for text in figure.axes[0].texts) for figure in figures]
    assert said[0] == said[1] and "transposed" in said[0]
    assert figures[1].get_figwidth() < 4.5 < 7 < figures[0].get_figwidth()


def test_a_claim_can_fail():
    """With 32 groups a layer of 128 channels has fewer MACs per byte than a depthwise separable one."""
    claims = {leaf.variant: leaf for leaf in leaves(decision_tree())}
    assert not claims["grouped"].holds(compare_convolutions(128, 128, groups=32, measure=False))
    # From 8 channels to 16 the second, square factor is larger than what the first one saves.
    assert not claims["spatial separable"].holds(compare_convolutions(8, 16, measure=False))
    table = compare_convolutions(128, 128, measure=False)
    rows = [replace(row, macs=row.macs + 1) if row.name == "pointwise" else row for row in table]
    assert not claims["pointwise"].holds(type(table)(rows, ""))


def test_every_leaf_is_reached_and_has_its_page():
    found = leaves(decision_tree())
    assert len({leaf.variant for leaf in found}) == len(found) == 10
    for leaf in found:
        assert recommend(*needs_of(leaf.variant)).advice == leaf
        assert leaf.page is None or (ROOT / "book" / "convolutions" / f"{leaf.page}.ipynb").is_file()
    assert len({question.need for question in questions()}) == len(list(questions())) == 9


def test_a_recommendation_says_how_it_came_about():
    told = recommend("budget", "latency", "large kernel")
    assert told.advice.variant == "grouped" and told.unasked == ("large kernel",)
    assert "Are parameters or MACs short? yes" in str(told) and "Not asked on the way: large kernel." in str(told)
    assert recommend("budget", "enlarge").advice.variant == "transposed"  # what is asked for first decides
    with pytest.raises(ValueError, match="Did you mean 'budget'"):
        recommend("budgt")


def test_trial_networks_have_equal_macs_and_no_other_kind() -> None:
    macs = {kind: summarize(trial_network(kind), (3, 16, 16)).macs for kind in TRIAL_LAYERS}
    assert macs.keys() == TRIAL_WIDTHS.keys()
    assert all(abs(found / macs["standard"] - 1) < 0.03 for found in macs.values())
    assert trial_network("flattened", num_classes=7)(torch.zeros(2, 3, 16, 16)).shape == (2, 7)
    with pytest.raises(ValueError, match="kind='flatened' is not known. Did you mean 'flattened'"):
        trial_network("flatened")
