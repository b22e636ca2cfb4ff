"""Exercises of the chapter "Training a CNN"."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.exercises import close, exercise, expect, judged
from cnnlab.exercises.examples import counted

# --- the loss ---------------------------------------------------------------------------------------------------------


@exercise(
    "training_a_cnn/loss",
    "The loss of one picture",
    cases=[
        ([2.0, 0.5, -1.0], 0),
        ([0.0, 0.0, 0.0, 0.0], 2),
        ([-3.0, 1.0], 0),
        ([1000.0, 0.0], 1),
        ([-900.0, -901.0], 0),
    ],
)
def loss(logits: list[float], label: int) -> float:
    """Taking the largest logit off first changes nothing, and no exponential can overflow any more."""
    most = max(logits)
    return most + math.log(sum(math.exp(z - most) for z in logits)) - logits[label]


def as_written(logits: list[float], label: int) -> float:
    """The formula as it stands, which overflows, or divides by zero."""
    total = sum(math.exp(z) if z < 709 else math.inf for z in logits)
    share = math.exp(logits[label]) / total if total else 0.0
    return -math.log(share) if share else math.inf


loss.mistake(
    "Right for small logits. exp(1000) is too large for a float, and exp(-900) is 0: take the largest logit off first.",
    as_written,
)
loss.mistake("That is the logarithm of the probability. A loss has the opposite sign.", lambda z, y: -loss(z, y))
loss.mistake(
    "That is the probability of the right class; the loss is minus its logarithm.", lambda z, y: math.exp(-loss(z, y))
)
loss.mistake("Your logarithm has base 2; the loss is in natural logarithms.", lambda z, y: loss(z, y) / math.log(2))
loss.mistake(
    "You subtract the largest logit; the one of the right class is wanted.", lambda z, y: loss(z, z.index(max(z)))
)
loss.hints(
    "-log of e^z[y] / sum of e^z is log(sum of e^z) - z[y].",
    "With m = max(z): m + log(sum of exp(z_i - m)) - z[y].",
)
loss.wrong(lambda logits, label: 1.0)
loss.right(lambda logits, label: F.cross_entropy(torch.tensor(logits), torch.tensor(label)))


# --- backwards --------------------------------------------------------------------------------------------------------


@exercise(
    "training_a_cnn/kernel-gradient",
    "The gradient of a kernel",
    cases=[
        (counted(4, 4), counted(3, 3), 1),
        (counted(5, 5), torch.tensor([[1.0, 0.0], [0.0, -2.0]]), 3),
        (counted(7, 7), counted(3, 3), 2),
        (counted(6, 6), torch.ones(2, 2), 4),
    ],
)
def kernel_gradient(image: Tensor, change: Tensor, stride: int) -> Tensor:
    """Each weight met every place once: its gradient adds up what it met, weighted by what became of it."""
    height, width = (1 + stride * (n - 1) for n in change.shape)
    rows, columns = image.shape[0] - height + 1, image.shape[1] - width + 1
    own = torch.empty(rows, columns)
    for a in range(rows):
        for b in range(columns):
            own[a, b] = (image[a : a + height : stride, b : b + width : stride] * change).sum()
    return own


def unstrided(image: Tensor, change: Tensor, stride: int) -> Tensor:
    return F.conv2d(image[None, None], change[None, None])[0, 0]


kernel_gradient.mistake(
    "Right for stride 1. With a stride the places of the kernel lie that many pixels apart: so do the pixels that "
    "meet one weight.",
    unstrided,
    lambda image, change, stride: kernel_gradient(image, change, 1),
)
kernel_gradient.mistake(
    "The output's gradient is not turned here: that belongs to the gradient of the input.",
    lambda image, change, stride: kernel_gradient(image, change.flip(0, 1), stride),
)
kernel_gradient.mistake(
    "The weights come out upside down.", lambda image, change, stride: kernel_gradient(image, change, stride).flip(0, 1)
)
kernel_gradient.mistake(
    "You average over the places. The chain rule adds.",
    lambda image, change, stride: kernel_gradient(image, change, stride) / change.numel(),
)
kernel_gradient.hints(
    "Weight (a, b) multiplies the pixel (i·s + a, j·s + b) for the output (i, j). What is the derivative of the loss?",
    "Sum change[i, j] * image[i*s + a, j*s + b] over all i and j; the kernel has H - s·(H' - 1) rows.",
)
kernel_gradient.wrong(lambda image, change, stride: torch.ones(2, 2))


@kernel_gradient.right
def by_a_dilated_kernel(image: Tensor, change: Tensor, stride: int) -> Tensor:
    return F.conv2d(image[None, None], change[None, None], dilation=stride)[0, 0]


@kernel_gradient.right
def by_autograd(image: Tensor, change: Tensor, stride: int) -> Tensor:
    sides = [n - stride * (m - 1) for n, m in zip(image.shape, change.shape, strict=True)]
    weight = torch.zeros(1, 1, *sides, requires_grad=True)
    (F.conv2d(image[None, None], weight, stride=stride)[0, 0] * change).sum().backward()
    return weight.grad[0, 0]


# --- Adam -------------------------------------------------------------------------------------------------------------


def adam_path(
    gradients: list[float],
    rate: float,
    *,
    corrected: bool = True,
    first: int = 1,
    rooted: bool = True,
    summed: bool = False,
    inside: bool = False,
) -> list[float]:
    """Adam's weight after each gradient, from 0, or that of a variant with one thing changed."""
    weight, m, s, path = 0.0, 0.0, 0.0, []
    for t, g in enumerate(gradients, first):
        m = 0.9 * m + (1.0 if summed else 0.1) * g
        s = 0.999 * s + (1.0 if summed else 0.001) * g * g
        m_hat, s_hat = (m / (1 - 0.9**t), s / (1 - 0.999**t)) if corrected else (m, s)
        below = (s_hat + 1e-8) ** 0.5 if inside else (s_hat**0.5 if rooted else s_hat) + 1e-8
        weight -= rate * m_hat / below
        path.append(weight)
    return path


@exercise(
    "training_a_cnn/adam",
    "Adam for one weight",
    cases=[([1.0, 1.0, 1.0], 0.1), ([0.5, -2.0, 1.0, 0.0], 0.01), ([0.0, 3.0], 0.1), ([1e-9, 1e-3], 0.1), ([], 0.1)],
)
def adam(gradients: list[float], rate: float) -> list[float]:
    """Whatever the gradient's size, the first step is one learning rate long: m and √s are then |g| both."""
    return adam_path(gradients, rate)


adam.mistake(
    "Without bias correction: m and s begin at 0, and are too small for the first steps. Divide them by 1 - β^t.",
    lambda gradients, rate: adam_path(gradients, rate, corrected=False),
)
adam.mistake(
    "Your t is one step ahead: at the first gradient t is 1.",
    lambda gradients, rate: adam_path(gradients, rate, first=2),
)
adam.mistake(
    "The squares are averaged, and then their root is taken.",
    lambda gradients, rate: adam_path(gradients, rate, rooted=False),
)
adam.mistake(
    "m and s are averages: the new gradient counts 1 - β, not 1.",
    lambda gradients, rate: adam_path(gradients, rate, summed=True),
)
adam.mistake(
    "ε stands outside the root in Adam; inside it is ten thousand times as large.",
    lambda gradients, rate: adam_path(gradients, rate, inside=True),
)
adam.mistake(
    "You go uphill: the step is subtracted.", lambda gradients, rate: [-own for own in adam_path(gradients, rate)]
)
adam.hints(
    "Keep m, s and the weight between the gradients, and count t from 1.",
    "m = 0.9 m + 0.1 g; s = 0.999 s + 0.001 g²; weight -= rate · m / (1 - 0.9^t) / (√(s / (1 - 0.999^t)) + 1e-8).",
)
adam.wrong(lambda gradients, rate: [-rate * sum(gradients[: t + 1]) for t in range(len(gradients))])


@adam.right
def by_torch(gradients: list[float], rate: float) -> list[float]:
    weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer, path = torch.optim.Adam([weight], lr=rate), []
    for g in gradients:
        weight.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()
        path.append(weight.item())
    return path


# --- a schedule -------------------------------------------------------------------------------------------------------


@exercise(
    "training_a_cnn/stepped",
    "The last rate",
    cases=[
        (0.1, 30, 100, 10, True),
        (0.1, 30, 100, 10, False),
        (1.0, 4, 3, 3, True),
        (1.0, 7, 5, 3, False),
        (0.5, 1, 2, 9, True),
    ],
)
def stepped(lr: float, epochs: int, batches: int, size: int, per_batch: bool) -> float:
    """With 0.1, 30 epochs of 100 batches and step_size=10 it is 0.001, or, called after each batch, 10⁻³⁰⁰."""
    calls = epochs * batches - 1 if per_batch else epochs - 1
    return lr * 0.1 ** (calls // size)


stepped.mistake(
    "The last update comes before the last call: count the calls before it.",
    lambda lr, epochs, batches, size, per_batch: lr * 0.1 ** ((epochs * batches if per_batch else epochs) // size),
)
stepped.mistake(
    "You count epochs in both cases. After each batch there are as many calls as batches.",
    lambda lr, epochs, batches, size, per_batch: stepped(lr, epochs, batches, size, False),
)
stepped.mistake(
    "You count batches in both cases.",
    lambda lr, epochs, batches, size, per_batch: stepped(lr, epochs, batches, size, True),
)
stepped.mistake(
    "The rate falls by whole steps, once in step_size calls, not a little at each.",
    lambda lr, epochs, batches, size, per_batch: (
        lr * 0.1 ** ((epochs * batches - 1 if per_batch else epochs - 1) / size)
    ),
)
stepped.hints(
    "How many times was scheduler.step() called before the last update?",
    "calls = epochs - 1, or epochs · batches - 1; the rate is lr · 0.1^(calls // step_size).",
)
stepped.wrong(lambda lr, epochs, batches, size, per_batch: lr)


@stepped.right
def by_its_scheduler(lr: float, epochs: int, batches: int, size: int, per_batch: bool) -> float:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=size)
    used = lr
    for _ in range(epochs):
        for _ in range(batches):
            used = optimizer.param_groups[0]["lr"]
            optimizer.step()
            if per_batch:
                scheduler.step()
        if not per_batch:
            scheduler.step()
    return used


# --- the loop ---------------------------------------------------------------------------------------------------------


def trial() -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    """A small network and three batches; the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 3))
        batches = [(torch.randn(8, 1, 4, 4), torch.arange(8) % 3) for _ in range(3)]
    return net, batches


def trained(
    net: nn.Module,
    batches: list[tuple[Tensor, Tensor]],
    epochs: int,
    lr: float,
    *,
    cleared: bool = True,
    softmax: bool = False,
    once: bool = False,
    uphill: bool = False,
) -> nn.Module:
    """The loop that is asked for, or one with a fault."""
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, maximize=uphill)
    for _ in range(epochs):
        for number, (images, labels) in enumerate(batches):
            if cleared:
                optimizer.zero_grad()
            scores = net(images)
            F.cross_entropy(scores.softmax(1) if softmax else scores, labels).backward()
            if not once or number == len(batches) - 1:
                optimizer.step()
    return net


def flat(net: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])


@judged("training_a_cnn/loop", "A loop of your own", function=True)
def loop(answer: Callable[..., object]) -> None:
    """Six lines, and every training in this book is one of their relatives."""
    net, batches = trial()
    start = flat(net)
    net.eval()  # as it comes from a measurement
    with torch.random.fork_rng(devices=[]):
        given = answer(net, batches, 2, 0.1)
    expect(isinstance(given, nn.Module), "Return the network that you trained.")
    own = flat(given)

    def like(**faults: bool) -> bool:
        return close(own, flat(trained(*trial(), 2, 0.1, **faults)))

    expect(
        not close(own, start),
        "The weights are as they were. Is there a backward() and an optimizer.step() in the inner loop?",
    )
    expect(
        not like(cleared=False),
        "Gradients add up from batch to batch: zero_grad() is missing, or stands outside the inner loop.",
    )
    expect(not like(softmax=True), "F.cross_entropy takes logits: it has the softmax in it.")
    expect(not like(once=True), "You take one step in an epoch. Every batch makes a step.")
    expect(not like(uphill=True), "The loss rises: the gradient is subtracted.")
    once = flat(trained(*trial(), 1, 0.1))
    expect(not close(own, once), "That is one epoch; the second argument but one says how many.")
    expect(
        like(),
        "The weights are not those of plain SGD with cross-entropy. No momentum, no decay, the batches in their order.",
    )
    expect(given.training, "The network is in evaluation mode: call net.train() before you train.")


loop.hints(
    "Two loops, one in the other: epochs, and in each the batches.",
    "For each batch: zero_grad, forward, F.cross_entropy, backward, step.",
)
loop.right(trained)


@loop.right
def by_hand(net: nn.Module, batches: list[tuple[Tensor, Tensor]], epochs: int, lr: float) -> nn.Module:
    net.train()
    for _ in range(epochs):
        for images, labels in batches:
            gradients = torch.autograd.grad(F.cross_entropy(net(images), labels), list(net.parameters()))
            with torch.no_grad():
                for parameter, gradient in zip(net.parameters(), gradients, strict=True):
                    parameter -= lr * gradient
    return net


loop.wrong(lambda net, batches, epochs, lr: 0.5, "Return the network")
loop.wrong(lambda net, batches, epochs, lr: net.train(), "as they were")
loop.wrong(lambda *given: trained(*given, cleared=False), "add up")
loop.wrong(lambda *given: trained(*given, softmax=True), "takes logits")
loop.wrong(lambda *given: trained(*given, once=True), "one step in an epoch")
loop.wrong(lambda *given: trained(*given, uphill=True), "rises")
loop.wrong(lambda net, batches, epochs, lr: trained(net, batches, 1, lr), "one epoch")
loop.wrong(lambda net, batches, epochs, lr: trained(net, batches, epochs, 2 * lr), "not those of plain SGD")
loop.wrong(lambda *given: trained(*given).eval(), "evaluation mode")
