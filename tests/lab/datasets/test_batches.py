"""Batches in memory: a pure function of seed, epoch and place, and exactly what a loop over images would make."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aoqlab.lab import datasets
from aoqlab.lab.datasets.draws import Moment, draw, mixed, order_of
from aoqlab.lab.datasets.pixels import crop_and_flip, mean_and_std, normalise

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


def joined(batches):
    images, labels = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(labels)


def same(one, other):
    one, other = list(one), list(other)
    assert len(one) == len(other)
    return all(torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(one, other, strict=True))


@given(st.integers(0, 9), st.integers(0, 300), st.sampled_from([99, 128, 700, 1347]), st.data())
def test_starting_late_equals_skipping(digits, seed, epoch, batch_size, data):
    train = digits.train
    start = data.draw(st.integers(0, train.steps(batch_size)))
    options = {"seed": seed, "batch_size": batch_size}
    whole = train.batches(epoch, **options)
    for _ in range(start):
        next(whole)
    assert same(whole, train.batches(epoch, start=start, **options))


@pytest.mark.parametrize("world", [1, 2, 4])
@pytest.mark.parametrize("augment", [True, False])
def test_shares_of_the_ranks_joined_are_the_batch_of_one_process(digits, world, augment):
    options = {"seed": 3, "batch_size": 128, "augment": augment}
    alone = digits.train.batches(2, **options)
    shares = [digits.train.batches(2, rank=rank, world=world, **options) for rank in range(world)]
    assert same(alone, map(joined, zip(*shares, strict=True)))


@pytest.mark.parametrize("world", [1, 2, 3])
def test_every_test_image_goes_to_one_rank(digits, world):
    _, everything = joined(digits.test.batches(450))
    shares = [joined(digits.test.batches(48, rank=rank, world=world)) for rank in range(world)]
    assert sum(len(labels) for _, labels in shares) == len(digits.test) == 450
    counts = torch.cat([labels for _, labels in shares]).bincount()
    assert torch.equal(counts, everything.bincount())


def test_a_rank_without_a_share_of_the_last_batch_skips_it(digits):
    sizes = [[len(labels) for _, labels in digits.test.batches(448, rank=rank, world=2)] for rank in (0, 1)]
    assert sizes == [[224, 2], [224]]


def test_nothing_else_that_is_read_or_drawn_matters(digits):
    first = list(digits.train.batches(1, seed=0, batch_size=256))
    list(digits.train.batches(5, seed=9, batch_size=8, start=150))
    list(digits.test.batches(100))
    torch.manual_seed(123)
    state = torch.get_rng_state()
    assert same(first, datasets.load("digits").train.batches(1, seed=0, batch_size=256))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("count", [1, 100, 1347])
def test_a_sample_is_the_first_batch_of_that_size(digits, count):
    images, _ = next(digits.train.batches(0, seed=4, batch_size=count, augment=False))
    assert torch.equal(digits.train.sample(count, seed=4), images)
    with pytest.raises(ValueError, match="batch_size 1348 exceeds"):
        digits.train.sample(1348, seed=4)


@pytest.mark.parametrize("seed, epoch", [(0, 1), (1, 0), (1, 1)])
def test_seed_and_epoch_give_orders_of_their_own(seed, epoch):
    assert not torch.equal(order_of(Moment(0, 0), 50), order_of(Moment(seed, epoch), 50))
    assert not torch.equal(order_of(Moment(seed, epoch), 50), order_of(Moment(epoch, seed + 2), 50))


def test_mixing_tells_numbers_and_their_places_apart():
    found = {mixed(*numbers) for numbers in [(0,), (0, 0), (0, 1), (1, 0), (1,), (-1,), (10, 1), (1, 1), (1, 0, 1)]}
    assert len(found) == 9
    assert mixed(0, 1) == 18035787800520607725  # and never changes: runs are to be resumed by later versions


def test_the_order_is_the_same_with_and_without_augmentation(digits):
    options = {"seed": 0, "batch_size": 64}
    _, with_it = joined(digits.train.batches(0, **options))
    _, without = joined(digits.train.batches(0, augment=False, **options))
    assert torch.equal(with_it, without)
    assert torch.equal(draw(Moment(0, 4), 99, 2, True, CPU).order, order_of(Moment(0, 4), 99))


@given(st.integers(1, 7), st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.integers(0, 4))
def test_crop_and_flip_equal_a_loop_over_images(n, height, width, channels, padding):
    generator = torch.Generator().manual_seed(n + 10 * height + 100 * width)
    images = torch.randint(0, 256, (n, height, width, channels), generator=generator, dtype=torch.uint8)
    drawn = draw(Moment(n, width), n, padding, True, CPU)
    out = crop_and_flip(images, drawn.top, drawn.left, drawn.flip, padding)
    for i, image in enumerate(images.numpy()):
        framed = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
        top, left = int(drawn.top[i]), int(drawn.left[i])
        crop = framed[top : top + height, left : left + width]
        assert np.array_equal(out[i].numpy(), crop[:, ::-1] if drawn.flip[i] else crop)


def test_every_offset_comes_as_often_as_any_other():
    drawn = draw(Moment(0, 0), 81_000, 4, True, CPU)
    counts = (drawn.top * 9 + drawn.left).bincount(minlength=81)
    assert counts.min() > 850 and counts.max() < 1150
    assert abs(drawn.flip.double().mean() - 0.5) < 0.01
    assert not draw(Moment(0, 0), 1000, 4, False, CPU).flip.any()


def test_a_batch_is_the_loop_of_crop_normalise(digits):
    kept, moment = digits.train.images, Moment(5, 6)
    images, labels = next(digits.train.batches(6, seed=5, batch_size=10))
    drawn = draw(moment, len(digits.train), 1, False, CPU)
    for i in range(10):
        row = int(drawn.order[i])
        framed = np.pad(kept.pixels[row, ..., 0].numpy(), 1).astype(np.float64)
        crop = framed[drawn.top[i] : drawn.top[i] + 8, drawn.left[i] : drawn.left[i] + 8]
        expected = (crop / 255 - digits.mean[0]) / digits.std[0]
        assert np.allclose(images[i, 0].numpy(), expected, atol=1e-5)
        assert labels[i] == kept.labels[row]


def test_batches_are_float_and_channels_last():
    pixels = torch.randint(0, 256, (4, 5, 5, 3), dtype=torch.uint8)
    out = normalise(pixels, torch.zeros(3), torch.ones(3))
    assert out.dtype == torch.float32 and out.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(out, pixels.permute(0, 3, 1, 2).float())


def test_mean_and_std_equal_numpy():
    pixels = np.random.default_rng(0).integers(0, 200, (20, 6, 6, 3), dtype=np.uint8)
    mean, std = mean_and_std(torch.from_numpy(pixels))
    assert np.allclose(mean, pixels.mean((0, 1, 2))) and np.allclose(std, pixels.std((0, 1, 2)))
    _, std = mean_and_std(torch.zeros(2, 3, 3, 1, dtype=torch.uint8))
    assert std == 1


def test_plain_training_images_have_mean_0_and_std_1(digits):
    images, _ = joined(digits.train.batches(0, seed=0, batch_size=1347, augment=False))
    assert images.mean().abs() < 1e-5 and (images.std() - 1).abs() < 1e-3


@pytest.mark.parametrize(
    "options, words",
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"batch_size": 1348}, "exceeds the 1347 training images"),
        ({"batch_size": 9, "world": 2}, "take a multiple of 2"),
        ({"batch_size": 8, "world": 2, "rank": 2}, "rank must be from 0"),
        ({"batch_size": 1000, "start": 2}, "start must be a batch number from 0 to 1"),
    ],
)
def test_a_bad_argument_is_named_at_once(digits, options, words):
    with pytest.raises(ValueError, match=words):
        digits.train.batches(0, seed=0, **options)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("image_size", [None, 32])
def test_a_cuda_device_gets_the_same_batches(image_size):
    here, there = (datasets.load("digits", image_size=image_size, device=device) for device in ("cpu", "cuda"))
    for (a, b), (c, d) in zip(*(s.train.batches(1, seed=2, batch_size=300) for s in (here, there)), strict=True):
        assert c.is_cuda and d.is_cuda
        assert torch.equal(a, c.cpu()) and torch.equal(b, d.cpu())
