"""Folders of small images: what is found, how it is split, what is kept in the cache, and what is refused."""

import os
import shutil

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from aoqlab.lab import datasets
from aoqlab.lab.datasets import decode
from aoqlab.lab.shared.files import DamagedWarning
from aoqlab.lab.shared.store import NotKeptWarning


def pixels_of(split):
    return split.images.pixels.numpy()


@pytest.mark.parametrize("test_folder", ["val", "test", "valid", "validation"])
def test_a_tree_gives_its_images_and_classes(tmp_path, test_folder, write_tree):
    data = datasets.load(write_tree(tmp_path / "bugs", ("train", test_folder), mode="RGB"))
    assert (data.name, data.classes, data.in_chans, data.image_size) == ("bugs", ("ant", "bee"), 3, 12)
    for split, folder in ((data.train, "train"), (data.test, test_folder)):
        files = [tmp_path / "bugs" / folder / name / f"{i}.png" for name in ("ant", "bee") for i in range(5)]
        assert np.array_equal(pixels_of(split), np.stack([np.asarray(Image.open(file)) for file in files]))
        assert split.images.labels.tolist() == [0] * 5 + [1] * 5


@pytest.mark.parametrize(
    ("train", "test"),
    [("Train", "Val"), ("training", "testing"), ("train", "dev"), ("TRAIN_SET", "test-set"), ("train2017", "val2017")],
)
def test_parts_are_known_in_any_case_and_common_spelling(tmp_path, train, test, write_tree):
    data = datasets.load(write_tree(tmp_path / "bugs", (train, test)))
    assert (data.classes, len(data.train), len(data.test)) == (("ant", "bee"), 10, 10)


def test_val_is_preferred_to_test(tmp_path, write_tree):
    write_tree(tmp_path, ("train", "test", "val"), count=3)
    (tmp_path / "test" / "ant" / "0.png").unlink()
    assert datasets.load(tmp_path).test.images.labels.tolist() == [0] * 3 + [1] * 3


@pytest.mark.parametrize("splits", [(), ("train",)])
def test_without_a_test_folder_a_fifth_of_every_class_is_held_out(tmp_path, splits, write_tree):
    data = datasets.load(write_tree(tmp_path, splits, classes=("a", "b", "train"), count=10))
    assert data.classes == ("a", "b", "train")
    assert data.train.images.labels.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert data.test.images.labels.tolist() == [0] * 2 + [1] * 2 + [2] * 2
    again = datasets.load(tmp_path)
    assert torch.equal(again.test.images.pixels, data.test.images.pixels)
    images = np.concatenate([pixels_of(data.train), pixels_of(data.test)])
    assert len(np.unique(images.reshape(30, -1), axis=0)) == 30


def test_grey_images_have_one_channel(tmp_path, write_tree):
    data = datasets.load(write_tree(tmp_path, mode="L"))
    assert data.in_chans == 1 and pixels_of(data.train).shape == (10, 12, 12, 1)


def test_transparency_and_hidden_and_other_files_are_left_out(tmp_path, write_image, write_tree):
    write_tree(tmp_path, mode="RGBA")
    (tmp_path / "train" / "ant" / "._0.png").write_bytes(b"not an image")
    (tmp_path / "train" / "ant" / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden").mkdir()
    write_image(tmp_path / "train" / "ant" / "deeper" / "9.PNG")
    data = datasets.load(tmp_path)
    assert data.in_chans == 3 and len(data.train) == 11


def test_a_folder_is_found_by_name_in_the_root(tmp_path, monkeypatch, write_tree):
    write_tree(tmp_path / "root" / "bugs")
    assert datasets.load("bugs", root=tmp_path / "root").name == "bugs"
    monkeypatch.setenv("AOQLAB_DATA", str(tmp_path / "root"))
    assert datasets.load("bugs").name == "bugs"
    monkeypatch.chdir(tmp_path / "root" / "bugs")
    assert datasets.load(".").name == "bugs"


def test_the_folder_that_would_be_read_is_the_one_that_is(tmp_path, monkeypatch, write_tree):
    root, work = tmp_path / "root", tmp_path / "work"
    both = [write_tree(place / "bugs", count=1 + number) for number, place in enumerate((work, root))]
    write_tree(root / "moths")
    (root / "digits").mkdir()
    monkeypatch.chdir(work)
    for name, expected in (("bugs", both[0]), ("./bugs/", both[0]), (both[1], both[1]), ("moths", root / "moths")):
        found = datasets.folder_of(name, root)
        assert found == expected and found.is_absolute()
        assert datasets.load(name, root=root).fingerprint == datasets.load(expected).fingerprint
    monkeypatch.setenv("AOQLAB_DATA", str(root))
    assert datasets.folder_of("moths") == root / "moths"
    monkeypatch.setenv("HOME", str(root))
    assert datasets.folder_of("~/moths") == root / "moths"
    assert all(datasets.folder_of(name) is None for name in ("digits", "cifar10", "", "nothing", "a/b"))
    assert datasets.folder_of(root / "bugs" / "train" / "ant" / "0.png") is None


def test_the_fingerprint_follows_the_files_not_the_folder(tmp_path, monkeypatch, write_image, write_tree):
    known = datasets.load(write_tree(tmp_path / "bugs"), image_size=8).fingerprint
    assert len(known) == 16 and known.isalnum()
    shutil.move(tmp_path / "bugs", tmp_path / "elsewhere and longer")
    monkeypatch.chdir(tmp_path / "elsewhere and longer")
    for where in (".", tmp_path / "elsewhere and longer", "../elsewhere and longer/"):
        assert datasets.load(where).fingerprint == known
    shutil.copytree(".", tmp_path / "copy")  # with times
    assert datasets.load(tmp_path / "copy").fingerprint == known
    write_image(tmp_path / "copy" / "train" / "ant" / "new.png")
    assert datasets.load(tmp_path / "copy").fingerprint != known
    os.utime("train/ant/0.png", (1, 1))
    assert datasets.load(".").fingerprint != known


# The cache


@pytest.fixture
def decoded(monkeypatch):
    """Counts the files that are decoded."""
    seen = []
    original = decode.look

    def counting(path, share):
        seen.append(path)
        return original(path, share)

    monkeypatch.setattr(decode, "look", counting)
    return seen


def test_images_are_decoded_once(tmp_path, decoded, monkeypatch, write_tree):
    first = datasets.load(write_tree(tmp_path / "bugs"))
    assert len(decoded) == 20
    monkeypatch.chdir(tmp_path)
    for where in (tmp_path / "bugs", "bugs", "./bugs"):
        again = datasets.load(where, image_size=None)
        assert torch.equal(first.train.images.pixels, again.train.images.pixels)
    assert datasets.load("./bugs", image_size=16).image_size == 16
    assert len(decoded) == 20


@pytest.mark.parametrize("change", ["content", "name", "new", "gone"])
def test_changed_images_are_decoded_again_and_the_old_copy_goes(
    tmp_path, decoded, own_cache, change, write_image, write_tree
):
    datasets.load(write_tree(tmp_path))
    file = tmp_path / "train" / "ant" / "2.png"
    if change == "content":
        about = file.stat()
        write_image(file, seed=99)
        os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns + 1_000_000))
    elif change == "name":
        file.rename(file.with_name("7.png"))
    elif change == "new":
        write_image(file.with_name("7.png"), seed=99)
    else:
        file.unlink()
    before = len(decoded)
    data = datasets.load(tmp_path)
    assert len(decoded) - before == 20 + {"new": 1, "gone": -1}.get(change, 0)
    if change != "gone":
        name = "2.png" if change == "content" else "7.png"
        image = np.asarray(Image.open(file.with_name(name)))
        assert any(np.array_equal(image, other) for other in pixels_of(data.train))
    assert len(list((own_cache / "datasets").iterdir())) == 1


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "foreign"])
def test_a_damaged_cache_file_is_made_again(tmp_path, decoded, own_cache, damage, write_tree):
    first = datasets.load(write_tree(tmp_path))
    (kept,) = (own_cache / "datasets").iterdir()
    whole = kept.read_bytes()
    flipped = bytearray(whole)
    flipped[-5] ^= 1
    kept.write_bytes({"truncated": whole[:-9], "flipped": bytes(flipped), "empty": b"", "foreign": b"x" * 99}[damage])
    with pytest.warns(DamagedWarning, match="made again"):
        again = datasets.load(tmp_path)
    assert len(decoded) == 40 and torch.equal(first.train.images.pixels, again.train.images.pixels)
    datasets.load(tmp_path)
    assert len(decoded) == 40


def test_a_cache_that_cannot_be_written_is_said_and_does_no_harm(tmp_path, own_cache, write_tree):
    (own_cache / "datasets").write_text("a file where the folder should be")
    with pytest.warns(NotKeptWarning, match="not kept"):
        data = datasets.load(write_tree(tmp_path / "bugs"))
    assert len(data.train) == 10


# What is refused


def test_a_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nothing"):
        datasets.load(tmp_path / "nothing")


def test_a_file_for_a_folder(tmp_path, write_image):
    with pytest.raises(NotADirectoryError, match="is a file"):
        datasets.load(write_image(tmp_path / "a.png"))


def test_an_empty_folder(tmp_path):
    with pytest.raises(ValueError, match="has no class folders; put the images"):
        datasets.load(tmp_path)
    (tmp_path / "train").mkdir()
    (tmp_path / "val").mkdir()
    with pytest.raises(ValueError, match=r"train has no class folders"):
        datasets.load(tmp_path)


def test_images_next_to_the_class_folders_they_should_be_in(tmp_path, write_image):
    write_image(tmp_path / "a.png")
    with pytest.raises(ValueError, match="has no class folders"):
        datasets.load(tmp_path)


@pytest.mark.parametrize("splits", [("part1", "part2"), ("train", "rest"), ("fold 1", "fold 2", "fold 3")])
def test_folders_that_look_like_parts_are_refused_with_the_question(tmp_path, splits, write_tree):
    write_tree(tmp_path, splits)
    with pytest.raises(ValueError, match=r"classes, or parts of the data\? All hold the folders ant, bee and no image"):
        datasets.load(tmp_path)


def test_classes_may_share_one_folder_or_hold_images_too(tmp_path, write_image, write_tree):
    assert datasets.load(write_tree(tmp_path / "one", ("cat", "dog"), classes=("images",))).classes == ("cat", "dog")
    write_tree(tmp_path / "two", ("cat", "dog"))
    write_image(tmp_path / "two" / "cat" / "9.png")
    assert datasets.load(tmp_path / "two").classes == ("cat", "dog")


def test_two_folders_of_one_part_are_refused(tmp_path, write_tree):
    with pytest.raises(ValueError, match=r"train, training in .* are the same part"):
        datasets.load(write_tree(tmp_path, ("train", "training", "val")))


def test_a_link_to_a_folder_that_it_is_in_is_refused(tmp_path, write_tree):
    write_tree(tmp_path / "bugs")
    (tmp_path / "bugs" / "train" / "ant" / "again").symlink_to(tmp_path / "bugs" / "train" / "ant")
    with pytest.raises(ValueError, match=r"ant/again is a link to .*ant, a folder that it is in; remove the link"):
        datasets.load(tmp_path / "bugs")
    (tmp_path / "bugs" / "train" / "ant" / "again").unlink()
    for one, other in (("ant", "bee"), ("bee", "ant")):
        (tmp_path / "bugs" / "train" / one / "other").symlink_to(tmp_path / "bugs" / "train" / other)
    with pytest.raises(ValueError, match="a folder that it is in"):
        datasets.load(tmp_path / "bugs")


def test_a_link_to_another_folder_is_followed(tmp_path, write_tree):
    write_tree(tmp_path / "bugs", classes=("ant",))
    write_tree(tmp_path / "more", ("",), classes=("bee",))
    for split in ("train", "val"):
        (tmp_path / "bugs" / split / "bee").symlink_to(tmp_path / "more" / "bee")
    assert datasets.load(tmp_path / "bugs").classes == ("ant", "bee")


@pytest.mark.parametrize("place", ["train/ant/9.png", "train/ant/deeper", "train/wasp"])
def test_a_link_to_nothing_is_named(tmp_path, place, write_tree):
    write_tree(tmp_path)
    (tmp_path / place).symlink_to(tmp_path / "gone")
    with pytest.raises(ValueError, match=rf"{place} is a link to .*gone, which is not there"):
        datasets.load(tmp_path)


@pytest.mark.parametrize("suffix", ["gif", "jfif", "avif", "JPE"])
def test_further_formats_are_read(tmp_path, suffix, write_tree):
    assert len(datasets.load(write_tree(tmp_path, suffix=suffix)).train) == 10


@pytest.mark.parametrize("suffix", ["heic", "ico", "JP2"])
def test_images_that_are_left_out_are_named(tmp_path, suffix, write_tree):
    write_tree(tmp_path)
    (tmp_path / "train" / "bee" / f"x.{suffix}").write_bytes(b"")
    with pytest.warns(UserWarning, match=rf"1 images in .*train are left out, .*bee/x\.{suffix} first; convert"):
        assert len(datasets.load(tmp_path).train) == 10


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize("size", [(24, 16), (120, 80)])
def test_images_are_turned_as_their_exif_orientation_says(tmp_path, suffix, size, write_tree):
    """Black above white; stored turned, the left half is black."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # turn a quarter clockwise to show it
    turned = np.zeros((size[1], size[0], 3), np.uint8)
    turned[:, size[0] // 2 :] = 255
    write_tree(tmp_path, suffix=suffix)
    for file in tmp_path.rglob(f"*.{suffix}"):
        Image.fromarray(turned).save(file, exif=exif)
    height, width, _, _ = decode.look(str(file), 10**6)
    assert (width, height) == (size[1], size[0])
    image = next(datasets.load(tmp_path, image_size=12).test.batches(2))[0][0, 0]
    assert image[:5].max() < image[7:].min()


def test_a_class_without_images(tmp_path, write_tree):
    write_tree(tmp_path)
    (tmp_path / "val" / "bee2").mkdir()
    with pytest.raises(ValueError, match=r"class folder .*bee2 holds no images"):
        datasets.load(tmp_path)


def test_only_one_class(tmp_path, write_tree):
    with pytest.raises(ValueError, match="only one class, ant"):
        datasets.load(write_tree(tmp_path, classes=("ant",)))


def test_a_class_of_one_image_cannot_be_split(tmp_path, write_image, write_tree):
    write_tree(tmp_path, ())
    write_image(tmp_path / "cat" / "0.png")
    with pytest.raises(ValueError, match=r"class folder .*cat holds one image"):
        datasets.load(tmp_path)


def test_different_classes_in_train_and_test(tmp_path, write_tree):
    write_tree(tmp_path)
    shutil.move(tmp_path / "val" / "bee", tmp_path / "val" / "wasp")
    with pytest.raises(ValueError, match=r"differ in their classes: only train/ has bee; only val/ has wasp"):
        datasets.load(tmp_path)


def test_images_of_mixed_size_name_two_files_and_can_be_resized(tmp_path, write_image, write_tree):
    write_tree(tmp_path)
    odd = write_image(tmp_path / "val" / "bee" / "3.png", size=(20, 14))
    with pytest.raises(
        ValueError, match=r"0\.png is 12x12 pixels, .*bee/3\.png is 20x14.*image_size=N \(--image-size N\)"
    ):
        datasets.load(tmp_path)
    data = datasets.load(tmp_path, image_size=14)
    assert pixels_of(data.test).shape == (10, 14, 14, 3)
    assert np.array_equal(pixels_of(data.test)[8], np.asarray(Image.open(odd))[:, 3:17])  # the middle, not scaled


def test_images_that_are_not_square(tmp_path, write_tree):
    write_tree(tmp_path, size=(16, 12))
    with pytest.raises(ValueError, match=r"not square \(.* is 16x12 pixels\); give image_size=N \(--image-size N\)"):
        datasets.load(tmp_path)
    assert datasets.load(tmp_path, image_size=12).image_size == 12


@pytest.mark.parametrize("size", [(12, 12), (90, 90)])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_truncated_file_is_named(tmp_path, size, suffix, write_tree):
    write_tree(tmp_path, size=size, suffix=suffix)
    file = tmp_path / "train" / "bee" / f"4.{suffix}"
    file.write_bytes(file.read_bytes()[:-60])
    with pytest.raises(ValueError, match=rf"bee/4\.{suffix} cannot be read as an image \(.*replace or delete"):
        datasets.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello"])
def test_a_file_that_is_no_image_is_named(tmp_path, content, write_tree):
    write_tree(tmp_path)
    (tmp_path / "train" / "ant" / "0.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"ant/0\.png cannot be read as an image"):
        datasets.load(tmp_path)


def test_grey_and_colour_mixed(tmp_path, write_image, write_tree):
    write_tree(tmp_path)
    write_image(tmp_path / "val" / "ant" / "1.png", mode="L")
    with pytest.raises(ValueError, match=r"mixed \(.*val/ant/1\.png is grey, .*train/ant/0\.png is colour\)"):
        datasets.load(tmp_path)


def test_more_than_8_bits(tmp_path, write_tree):
    write_tree(tmp_path, mode="L")
    Image.fromarray(np.zeros((12, 12), dtype=np.uint16)).save(tmp_path / "train" / "ant" / "1.png")
    with pytest.raises(ValueError, match=r"ant/1\.png has pixels of Pillow's mode I;16; convert it to 8 bits"):
        datasets.load(tmp_path)
