"""The lectures' rules of thumb, what keeps each and what breaks it, and the verdict on them of a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from cnnlab.chapters.design_rules.plans import PLANS
from cnnlab.errors import unknown_name
from cnnlab.results import runs_by

__all__ = ["Rule", "RULES", "Finding", "compared", "findings", "verdict"]


@dataclass(frozen=True)
class Rule:
    """One rule, a network that keeps it, and networks that differ from that one in breaking it.

    Attributes:
        says: the rule, in a few words.
        kept: a key of `PLANS`.
        broken: others.
    """

    says: str
    kept: str
    broken: tuple[str, ...]


RULES = (
    Rule("kernels grow with depth", "kernels 3, 5, 7", ("base", "kernels 7, 5, 3")),
    Rule("kernels are small", "base", ("kernels 5, 5, 5", "kernels 7, 7, 7")),
    Rule("kernels are odd", "base", ("kernels 4, 4, 4",)),
    Rule("channels grow", "base", ("channels alike", "channels halved")),
    Rule("borders are padded", "base", ("no padding",)),
    Rule("the stride is 1", "base", ("stride for pools", "first stride 2")),
    Rule("pools take the maximum", "base", ("average pools",)),
    Rule("2/3 in + out units", "base", ("none hidden", "averages", "32 hidden")),
    Rule("no fewer units than out", "base", ("5 hidden",)),
    Rule("less than 2 x in units", "base", ("4 x input hidden",)),
    Rule("as few units as can be", "32 hidden", ("base", "4 x input hidden")),
    Rule("color where it tells", "base", ("gray",)),
)


@dataclass(frozen=True)
class Finding:
    """A rule, one way to break it, and what that did.

    Attributes:
        rule: of `RULES`.
        broken: the network that breaks it.
        gains: data set -> mean accuracy with the rule minus the mean without it.
        says: data set -> "helps", "harms" or "unclear", as `compared` says of the seeds.
        verdict: "kept", "refined", "refuted" or "no difference", as `verdict` says of the data sets.
    """

    rule: Rule
    broken: str
    gains: Mapping[str, float]
    says: Mapping[str, str]
    verdict: str


def compared(kept: Sequence[float], broken: Sequence[float]) -> str:
    """What the seeds' accuracies say of a rule: "helps" where the worst run that kept it beats the best that did not.

    "harms" the other way round, and "unclear" where the two ranges meet. If the rule did nothing, three seeds a side
    would come out like that by chance in one case of ten, "helps" and "harms" together.

    Raises:
        ValueError: where one side has no run.
    """
    if not kept or not broken:
        raise ValueError(f"kept has {len(kept)} accuracies and broken {len(broken)}; give one at least of each.")
    if min(kept) > max(broken):
        return "helps"
    return "harms" if max(kept) < min(broken) else "unclear"


def verdict(says: Sequence[str]) -> str:
    """What the data sets say together: "kept", "refined", "refuted" or "no difference".

    Kept: the rule helps on two at least and harms on none. Refuted: it harms on two at least and helps on none. No
    difference: it does neither anywhere. All else is "refined": it depends.
    """
    helps, harms = list(says).count("helps"), list(says).count("harms")
    if helps >= 2 and not harms:
        return "kept"
    if harms >= 2 and not helps:
        return "refuted"
    return "refined" if helps or harms else "no difference"


def findings(record: Mapping[str, Any], rules: Sequence[Rule] = RULES) -> list[Finding]:
    """The verdicts of a record of ``experiments.rules``, a finding for each way to break each rule.

    Args:
        record: what ``cnnlab.recorded("rules")`` gives.

    Raises:
        ValueError: for a rule whose networks the record does not have.
    """
    runs = {case: [run["test_accuracy"] for run in own] for case, own in runs_by(record, "data", "change").items()}
    changes = {change for _, change in runs}
    found = []
    for rule in rules:
        for broken in rule.broken:
            for name in (rule.kept, broken):
                if name not in changes:
                    raise unknown_name("network of a rule", name, changes & set(PLANS))
            pairs = {
                data: (runs[data, rule.kept], runs[data, broken])
                for data in dict.fromkeys(data for data, _ in runs)
                if (data, broken) in runs and (data, rule.kept) in runs
            }
            # Exact sums: Python's own add in another way from 3.12 on, and a tie is printed.
            gains = {data: fmean(kept) - fmean(other) for data, (kept, other) in pairs.items()}
            says = {data: compared(*own) for data, own in pairs.items()}
            found.append(Finding(rule, broken, gains, says, verdict([*says.values()])))
    return found
