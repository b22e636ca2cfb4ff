"""The way back: parameters of ours under the names of torchvision."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from cnnlab.weights import torchvision_weights
from cnnlab.weights.matching import COUNTER, match_modules, tensor_names

__all__ = ["to_torchvision"]


def to_torchvision(model: nn.Module) -> OrderedDict[str, Tensor]:
    """A state dict that ``torchvision.models.X().load_state_dict(...)`` takes, for a network X of both.

        torch.save(to_torchvision(model), "resnet18.pth")

    The outputs are then the same. torchvision's network has to be built for as many classes:
    ``torchvision.models.resnet18(num_classes=7)``; GoogLeNet's without auxiliary heads (``aux_logits=False``), which
    ours has not; and for other than three channels its first convolution has to be replaced.

    Args:
        model: a network of :func:`cnnlab.create_model` that torchvision has too; it is left as it is.

    Returns:
        torchvision's names, in its order -> tensors of their own, on the model's device.

    Raises:
        ValueError: torchvision has no such network, or this one was changed.
    """
    info = vars(model).get("info")
    if info is None:
        raise ValueError(
            f"model: this {type(model).__name__} was not built by cnnlab.create_model, so that nobody knows which "
            "network of torchvision's it is. Give one that was, such as create_model('resnet18')."
        )
    if info.library != "torchvision":
        kind = f"{info.name} for small pictures" if getattr(info.variant, "small_input", False) else info.name
        where = "" if info.library is None else f" It is {info.library}'s."
        raise ValueError(
            f"model: torchvision has no {kind}, so there are no names for its parameters.{where} Save "
            "model.state_dict(), or take a network that it has, such as create_model('resnet18')."
        )
    reference = torchvision_weights.bare(info.name)
    matching = match_modules(reference, model)
    found: dict[str, Tensor] = {}
    for theirs, ours in matching.pairs:
        where = f"This {info.name} differs from torchvision's: {theirs} there, {ours} here."
        for own, name in tensor_names(theirs, ours, where):
            shape, tensor = theirs.tensors[name].shape, ours.tensors[own].detach()
            if tensor.dim() != len(shape):  # dense against convolution
                tensor = tensor.reshape(len(tensor), *shape[1:])
            found[f"{theirs.name}.{name}" if theirs.name else name] = tensor.clone()
        counter = getattr(ours.module, COUNTER, None)
        if counter is not None:
            found[f"{theirs.name}.{COUNTER}"] = counter.clone()
    matching.check_lengths()
    wanted = reference.state_dict()
    state = OrderedDict((name, found[name]) for name in wanted)
    state._metadata = wanted._metadata  # MNASNet looks there for the version of its own format
    return state
