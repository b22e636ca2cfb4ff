"""The race's families, and in which order their papers would have them come in (``experiments/race.py``)."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CLAIMS", "REGISTERED", "Claim", "year"]

# Family -> a network of it in the registry; "plain" is of ResNet's paper, and of SENet's there is a later port.
REGISTERED = {
    "MLP": "mlp_cifar10",
    "NiN": "nin_cifar",
    "VGG": "vgg16",
    "GoogLeNet": "googlenet_2014",
    "plain": "plain20_cifar",
    "ResNet": "resnet20_cifar",
    "pre-activation": "preact_resnet110_cifar",
    "Wide ResNet": "wrn16_8_cifar",
    "DenseNet": "densenet_bc100_12_cifar",
    "SENet": "legacy_seresnet50",
    "MobileNet v1": "mobilenetv1_100",
    "MobileNet v2": "mobilenet_v2",
    "MobileNet v3": "mobilenet_v3_small",
    "ShuffleNet v2": "shufflenet_v2_x0_5",
    "MnasNet": "mnasnet0_5",
    "NASNet": "nasnet_mobile",
    "EfficientNet": "efficientnet_b0",
    "RegNetX": "regnet_x_400mf",
    "RegNetY": "regnet_y_400mf",
    "ViT": "vit_small_cifar",
    "MaxViT": "maxvit_cifar",
    "ConvNeXt": "convnext_tiny",
    "ConvNeXt V2": "convnextv2_atto",
}


class Claim(NamedTuple):
    """A paper's table in which one family comes out ahead of another."""

    better: str
    worse: str
    where: str


CLAIMS = (
    Claim("GoogLeNet", "VGG", "ILSVRC 2014: 6.67 and 7.32 % top-5 errors, ensembles"),
    Claim("ResNet", "plain", "He et al., 2016, table 2"),
    Claim("pre-activation", "ResNet", "He et al., 2016 (identity mappings), table 3"),
    Claim("Wide ResNet", "pre-activation", "Zagoruyko, Komodakis, 2016, table 5"),
    Claim("DenseNet", "pre-activation", "Huang et al., 2017, table 2"),
    Claim("SENet", "ResNet", "Hu et al., 2018, table 2"),
    Claim("MobileNet v1", "GoogLeNet", "Howard et al., 2017, table 8"),
    Claim("MobileNet v2", "MobileNet v1", "Sandler et al., 2018, table 4"),
    Claim("MobileNet v3", "MobileNet v2", "Howard et al., 2019, table 3"),
    Claim("ShuffleNet v2", "MobileNet v2", "Ma et al., 2018, table 8"),
    Claim("MnasNet", "MobileNet v2", "Tan et al., 2019, table 1"),
    Claim("NASNet", "MobileNet v1", "Zoph et al., 2018, table 3"),
    Claim("EfficientNet", "ResNet", "Tan, Le, 2019, table 2"),
    Claim("RegNetX", "ResNet", "Radosavovic et al., 2020, table 3"),
    Claim("RegNetY", "RegNetX", "Radosavovic et al., 2020, table 2"),
    Claim("ResNet", "ViT", "Dosovitskiy et al., 2021, figure 4, with nine million pictures"),
    Claim("MaxViT", "ViT", "Tu et al., 2022, table 2"),
    Claim("ConvNeXt", "ResNet", "Liu et al., 2022, figure 2"),
    Claim("ConvNeXt V2", "ConvNeXt", "Woo et al., 2023, table 3"),
)


def year(family: str) -> int:
    """When the family's paper appeared."""
    from cnnlab.models import model_info

    return model_info(REGISTERED[family]).year
