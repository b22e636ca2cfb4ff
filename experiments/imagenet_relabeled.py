"""How many of the thousand classes people later found in each picture of ImageNet's validation set.

From the labels of Beyer et al., "Are we done with ImageNet?" (2020), which timm carries: for each of the 50,000
pictures the classes that raters found in it, none, one or several.
"""

from __future__ import annotations

import json
from collections import Counter
from importlib.resources import files
from itertools import combinations
from typing import Any

from torchvision.models import ResNet50_Weights

from experiments.facts import record


def make(_: str | None) -> dict[str, Any]:
    labels = json.loads((files("timm") / "data/_info/imagenet_real_labels.json").read_text(encoding="utf-8"))
    names = ResNet50_Weights.IMAGENET1K_V2.meta["categories"]
    counts = Counter(len(each) for each in labels)
    alone = Counter(each[0] for each in labels if len(each) == 1)
    having = Counter(label for each in labels for label in each)
    pairs = Counter(pair for each in labels for pair in combinations(sorted(each), 2))
    common = [
        {"classes": [names[a], names[b]], "both": count, "either": having[a] + having[b] - count}
        for (a, b), count in pairs.most_common(12)
    ]
    return {
        "source": "the labels of Beyer et al. 2020, in timm's imagenet_real_labels.json (Apache License 2.0)",
        "pictures": len(labels),
        "by number of labels": {str(n): counts[n] for n in sorted(counts)},
        "classes never alone": sum(having[label] > 0 and not alone[label] for label in range(len(names))),
        "most common pairs": common,
    }


if __name__ == "__main__":
    record("imagenet_relabeled", make)
