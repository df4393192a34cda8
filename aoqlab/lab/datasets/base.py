"""What every data set offers: two splits that hand out normalised batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from .draws import Moment

Batch = tuple[Tensor, Tensor]
"""Images, float32 (n, channels, height, width), normalised and channels-last; labels, int64 (n,)."""


class Images(ABC):
    """The images of a split with their labels, in memory or on disk."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, places: Sequence[slice], moment: Moment | None = None, augment: bool = False) -> Iterator[Batch]:
        """Yield a batch for each slice of the order at ``moment``; without one, of the images in their own order."""


@dataclass(frozen=True)
class TrainSplit:
    """Training images: shuffled and augmented batches, the last partial one dropped.

    The batch at (seed, epoch, place in the epoch) is a pure function of these: nothing read before changes it.
    """

    images: Images

    def __len__(self) -> int:
        return len(self.images)

    def steps(self, batch_size: int) -> int:
        """Full batches in an epoch; ``ValueError`` if there is none."""
        _share(batch_size)
        if batch_size > len(self):
            raise ValueError(f"batch_size {batch_size} exceeds the {len(self)} training images; lower it")
        return len(self) // batch_size

    def batches(
        self,
        epoch: int,
        *,
        seed: int,
        batch_size: int,
        augment: bool = True,
        rank: int = 0,
        world: int = 1,
        start: int = 0,
    ) -> Iterator[Batch]:
        """Yield the batches of one epoch from number ``start`` on; earlier ones are skipped without being computed.

        ``batch_size`` counts the images of all ``world`` processes together. Process ``rank`` gets its share of each
        batch, in order, with the draws that one process would make: the shares joined are the batch of one process.
        ``augment=False`` keeps the order and leaves the images unchanged.
        """
        steps = self.steps(batch_size)
        share = _share(batch_size, rank, world)
        if not 0 <= start <= steps:
            raise ValueError(f"start must be a batch number from 0 to {steps}, got {start}")
        firsts = (step * batch_size + rank * share for step in range(start, steps))
        return self.images.read([slice(first, first + share) for first in firsts], Moment(seed, epoch), augment)

    def sample(self, count: int, seed: int) -> Tensor:
        """Return the first ``count`` images of epoch 0, not augmented: the images in the first batch of that size.

        Reads these images and no others, in this process. ``ValueError`` if there are fewer.
        """
        self.steps(count)
        images, _ = next(self.images.read([slice(0, count)], Moment(seed, 0)))
        return images


@dataclass(frozen=True)
class TestSplit:
    """Test images: all of them, in a fixed order, never augmented."""

    __test__ = False  # the name is no test class for pytest to collect

    images: Images

    def __len__(self) -> int:
        return len(self.images)

    def batches(self, batch_size: int, *, rank: int = 0, world: int = 1) -> Iterator[Batch]:
        """All images in batches; process ``rank`` gets its share of each, and each image goes to one process.

        Shares of the last batch may differ by an image or be empty, and empty ones are left out.
        """
        share = _share(batch_size, rank, world)
        firsts = range(rank * share, len(self), batch_size)
        return self.images.read([slice(first, min(first + share, len(self))) for first in firsts])


@dataclass(frozen=True)
class Dataset:
    """A data set ready to train on: what is in it and its two splits."""

    name: str
    classes: tuple[str, ...]
    in_chans: int
    image_size: int
    """Height and width of the images in a batch, in pixels."""
    mean: tuple[float, ...]
    """Per channel, of pixel values 0 … 1; subtracted from the images."""
    std: tuple[float, ...]
    """Per channel, of pixel values 0 … 1; the images are divided by it."""
    train: TrainSplit
    test: TestSplit
    fingerprint: str
    """Short and printable: equal as long as the images are, wherever they are and whatever ``image_size``."""

    @property
    def num_classes(self) -> int:
        """Number of classes; labels are 0 … num_classes - 1."""
        return len(self.classes)


def _share(batch_size: int, rank: int = 0, world: int = 1) -> int:
    """Images of a batch that go to each process."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if not 0 <= rank < world:
        raise ValueError(f"rank must be from 0 to world - 1 = {world - 1}, got {rank}")
    if batch_size % world:
        raise ValueError(f"batch_size {batch_size} cannot be shared by {world} processes; take a multiple of {world}")
    return batch_size // world
