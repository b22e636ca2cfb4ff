"""What training ResNet-50 on ImageNet takes on so many processors: compute, all-reduce, hours, price, learning rate.

A model in four lines, not a measurement: every processor computes equally fast, gradients go around one ring, and
while the backward pass runs they cost nothing. The chapter says where that is too kind.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PICTURES", "EPOCHS", "MACS", "PARAMETERS", "Plan", "ring_seconds"]

PICTURES = 1_281_167  # ImageNet's training set
EPOCHS = 90
MACS = 4_089_184_256  # of ResNet-50 at 224 x 224, forward
PARAMETERS = 25_557_032
BASE_RATE, BASE_BATCH = 0.1, 256  # He et al., 2015
WARM_UP = 5  # epochs (Goyal et al., 2017)
MILESTONES = (30, 60, 80)  # epochs at which the rate falls to a tenth


def ring_seconds(processes: int, size: float, bandwidth: float, latency: float) -> float:
    """A ring all-reduce of ``size`` bytes: two rounds of n - 1 steps, in each of which everyone sends an n-th.

    Args:
        processes: n.
        size: in bytes.
        bandwidth: between two neighbors, in bytes a second.
        latency: what a step costs however little it carries, in seconds.

    Patarasuk, Yuan: Bandwidth optimal all-reduce algorithms for clusters of workstations. J. Parallel Distrib. Comput.
    69, 2009.
    """
    return 2 * (processes - 1) * (size / processes / bandwidth + latency)


@dataclass(frozen=True)
class Plan:
    """ResNet-50, 90 epochs, data-parallel.

    Attributes:
        gpus: processors, n.
        batch: pictures in the batch of each.
        gigabits: bandwidth between neighbors, in gigabits a second.
        peak: what one processor can do at best, in 10^12 operations a second.
        utilization: the share of that which is reached, in percent.
        price: of one processor for an hour.
        latency: of one step around the ring, in microseconds.
    """

    gpus: int = 8
    batch: int = 256
    gigabits: float = 100
    peak: float = 312
    utilization: float = 20
    price: float = 2.0
    latency: float = 20

    @property
    def compute(self) -> float:
        """Seconds of arithmetic in a step: forward, and twice that backward."""
        reached = self.peak * 1e12 * self.utilization / 100
        return self.batch * 3 * 2 * MACS / reached

    @property
    def exchange(self) -> float:
        """Seconds that the gradients, four bytes each, take around the ring."""
        bandwidth, latency = self.gigabits * 1e9 / 8, self.latency * 1e-6
        return ring_seconds(self.gpus, 4 * PARAMETERS, bandwidth, latency)

    @property
    def step(self) -> float:
        """Seconds: gradients travel while the backward pass computes; what takes longer of the two sets the pace."""
        return self.compute / 3 + max(self.compute * 2 / 3, self.exchange)

    @property
    def efficiency(self) -> float:
        """The share of the time in which the processors compute."""
        return self.compute / self.step

    @property
    def total_batch(self) -> int:
        """Pictures in a step, on all processors together."""
        return self.gpus * self.batch

    @property
    def steps(self) -> float:
        """In one epoch."""
        return PICTURES / self.total_batch

    @property
    def hours(self) -> float:
        """Of the whole training."""
        return EPOCHS * self.steps * self.step / 3600

    @property
    def cost(self) -> float:
        """In the unit of ``price``."""
        return self.hours * self.gpus * self.price

    @property
    def peak_rate(self) -> float:
        """The learning rate by linear scaling."""
        return BASE_RATE * self.total_batch / BASE_BATCH

    def rate(self, epoch: float) -> float:
        """The learning rate: from 0.1 up in five epochs, and down to a tenth three times; no climb to a lower one."""
        if epoch < WARM_UP and self.peak_rate > BASE_RATE:
            return BASE_RATE + (self.peak_rate - BASE_RATE) * epoch / WARM_UP
        return self.peak_rate * 0.1 ** sum(epoch >= milestone for milestone in MILESTONES)
