"""The family tree of networks: what each paper added, and to what."""

from __future__ import annotations

from dataclasses import dataclass

from cnnlab.models import list_models, model_info

__all__ = ["Step", "LINEAGE", "chapter_of", "family_tree"]


@dataclass(frozen=True)
class Step:
    """One paper in the family tree of networks.

    Attributes:
        files: of cnnlab.models, the first names the step.
        parents: steps that it says it builds on, as far as they are in this book.
        chapter: that is about it, as in _toc.yml without "book/"; None where there is none.
    """

    title: str
    files: tuple[str, ...]
    parents: tuple[str, ...]
    idea: str
    chapter: str | None = None


LINEAGE: tuple[Step, ...] = (
    Step(
        "LeNet-5",
        ("lenet",),
        (),
        "Convolution, subsampling, convolution, dense layers: trained from pixels to digits.",
        "foundations/lenet",
    ),
    Step(
        "AlexNet",
        ("alexnet",),
        ("lenet",),
        "LeNet's plan, deeper and wider, with ReLU and dropout, on a million photographs and two GPUs.",
        "architectures/alexnet",
    ),
    Step(
        "ZFNet",
        ("zfnet",),
        ("alexnet",),
        "AlexNet with smaller first kernels, found by looking at what its units respond to.",
        "architectures/zfnet",
    ),
    Step(
        "Network in Network",
        ("nin",),
        ("alexnet",),
        "1x1 convolutions after each spatial one, and an average over each map in place of dense layers.",
        "architectures/googlenet",
    ),
    Step(
        "VGG",
        ("vgg",),
        ("alexnet",),
        "Nothing but 3x3 convolutions, up to sixteen of them before the dense layers.",
        "architectures/vgg",
    ),
    Step(
        "GoogLeNet",
        ("googlenet",),
        ("nin",),
        "Branches with kernels of several sizes side by side, kept affordable by 1x1 convolutions.",
        "architectures/googlenet",
    ),
    Step(
        "BN-Inception",
        ("bn_inception",),
        ("googlenet",),
        "Batch normalization: the same accuracy in a fourteenth of the steps.",
        "architectures/inception",
    ),
    Step(
        "U-Net",
        ("unet",),
        (),
        "Down to see far, up to see sharply, with copies carried across: a label for every pixel.",
    ),
    Step(
        "Inception v3",
        ("inception_v3",),
        ("bn_inception",),
        "Large kernels factorized into small and one-dimensional ones; label smoothing.",
        "architectures/inception",
    ),
    Step(
        "ResNet",
        ("resnet", "resnet_cifar"),
        ("vgg",),
        "A shortcut around every two or three layers, and 152 layers can be trained.",
        "architectures/resnet",
    ),
    Step(
        "Inception v4",
        ("inception_v4", "inception_resnet_v2"),
        ("inception_v3", "resnet"),
        "A larger and more regular Inception, without shortcuts and with them.",
        "architectures/inception",
    ),
    Step(
        "SqueezeNet",
        ("squeezenet",),
        ("alexnet", "googlenet"),
        "AlexNet's accuracy with a fiftieth of its parameters: squeeze by 1x1, then expand.",
        "architectures/squeezenet",
    ),
    Step(
        "Pre-activation ResNet",
        ("preact_resnet",),
        ("resnet",),
        "Normalize and activate before each convolution, so that the shortcut is a clear path: 1001 layers.",
        "architectures/beyond_resnet",
    ),
    Step(
        "Wide ResNet",
        ("wide_resnet",),
        ("preact_resnet",),
        "Fewer and wider layers: as accurate as a thousand thin ones, and faster.",
        "architectures/beyond_resnet",
    ),
    Step(
        "DenseNet",
        ("densenet",),
        ("resnet",),
        "Each layer reads the maps of all the layers before it in its block.",
        "architectures/densenet",
    ),
    Step(
        "Xception",
        ("xception",),
        ("inception_v3", "resnet"),
        "Inception taken to its end: every channel filtered alone, then mixed by 1x1.",
        "architectures/xception",
    ),
    Step(
        "ResNeXt",
        ("resnext",),
        ("resnet", "googlenet"),
        "Many equal branches in a block, written as one grouped convolution.",
        "architectures/beyond_resnet",
    ),
    Step(
        "MobileNet",
        ("mobilenet_v1",),
        ("xception",),
        "Depthwise separable convolutions throughout, and two dials for width and resolution.",
        "architectures/mobilenets",
    ),
    Step(
        "NASNet",
        ("nasnet",),
        ("xception",),
        "Cells that a search found on CIFAR-10, stacked for ImageNet.",
        "architectures/searched",
    ),
    Step(
        "SENet",
        ("senet",),
        ("resnext",),
        "Each channel is weighed by what the whole picture holds; the last winner of ILSVRC.",
        "architectures/senet",
    ),
    Step(
        "MobileNet v2",
        ("mobilenet_v2",),
        ("mobilenet_v1", "resnet"),
        "Inverted residuals: wide inside, narrow at the ends, no activation where it is narrow.",
        "architectures/mobilenets",
    ),
    Step(
        "ShuffleNet v2",
        ("shufflenet_v2",),
        ("resnext", "mobilenet_v1"),
        "Designed by the clock instead of by MACs: split, work on one half, shuffle.",
        "architectures/searched",
    ),
    Step(
        "MnasNet",
        ("mnasnet",),
        ("mobilenet_v2", "nasnet"),
        "A search whose reward is accuracy and the time measured on a phone.",
        "architectures/searched",
    ),
    Step(
        "MobileNet v3",
        ("mobilenet_v3",),
        ("mnasnet", "senet"),
        "Search, then trimming by hand, and a swish that is cheap to compute.",
        "architectures/mobilenets",
    ),
    Step(
        "EfficientNet",
        ("efficientnet",),
        ("mnasnet", "senet"),
        "Depth, width and resolution grow together, by one number.",
        "architectures/efficientnet",
    ),
    Step(
        "RegNet",
        ("regnet",),
        ("resnext",),
        "Not one network but a rule for widths, read off thousands of trained ones.",
        "architectures/regnet",
    ),
    Step(
        "Vision Transformer",
        ("vit",),
        (),
        "Patches as words: attention instead of convolution, and a great deal of data.",
        "architectures/vit",
    ),
    Step(
        "EfficientNet v2",
        ("efficientnet_v2",),
        ("efficientnet",),
        "Plain convolutions again where depthwise ones are slow; pictures that grow while training.",
        "architectures/efficientnet",
    ),
    Step(
        "ConvNeXt",
        ("convnext",),
        ("resnet", "vit"),
        "A ResNet modernized step by step with what transformers had taught: it keeps up with them.",
        "architectures/convnext",
    ),
    Step(
        "MaxViT",
        ("maxvit",),
        ("mobilenet_v2", "vit"),
        "Inverted residuals, then attention within windows and across a grid.",
        "architectures/hybrids",
    ),
    Step(
        "MetaFormer",
        ("metaformer",),
        ("mobilenet_v2", "vit"),
        "A transformer's block around a separable convolution, with attention in the last stages or without.",
    ),
    Step(
        "ConvNeXt V2",
        ("convnext_v2",),
        ("convnext",),
        "Pre-training by filling in hidden patches, and a normalization that keeps channels apart.",
        "architectures/convnext",
    ),
)


def chapter_of(name: str) -> str | None:
    """The chapter about a network of the registry, as in _toc.yml without "book/"; None where there is none."""
    file = model_info(name).network.__module__.rpartition(".")[2]
    return next((step.chapter for step in LINEAGE if file in step.files), None)


def family_tree() -> list[dict[str, object]]:
    """The steps of :data:`LINEAGE` with year, paper and sizes from the registry, oldest first, as plain data."""
    by_file: dict[str, list[str]] = {}
    for name in list_models(own=False):
        by_file.setdefault(model_info(name).network.__module__.rpartition(".")[2], []).append(name)
    nodes = []
    for step in LINEAGE:
        names = [name for file in step.files for name in by_file[file]]
        info = model_info(names[0])
        nodes.append(
            {
                "key": step.files[0],
                "title": step.title,
                "year": min(model_info(name).year for name in names),
                "paper": info.paper,
                "url": info.url,
                "idea": step.idea,
                "parents": list(step.parents),
                "chapter": step.chapter,
                "models": names,
            }
        )
    return sorted(nodes, key=lambda node: node["year"])  # stable: the order of LINEAGE within a year
