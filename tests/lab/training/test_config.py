import json

import pytest

from aoqlab.lab.training.config import TrainConfig, recipe


@pytest.mark.usefixtures("as_shipped")
@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"bits": 1}, "bits must be an integer from 2 to 8, got 1"),
        ({"bits": 9}, "2 to 8"),
        ({"activation_bits": 16}, "activation_bits must be a whole number of at most 8, got 16"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": -1}, "batch_size"),
        ({"lr": 0.0}, "lr must be in"),
        ({"lr": float("nan")}, "lr must be in"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"hard_labels": 1.5}, "hard_labels"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"seed": -1}, "seed"),
        ({"name": "a/b"}, "name"),
        ({"name": "../up"}, "name"),
        ({"track_every": 0}, "track_every"),
        ({"seed": 0.5}, "seed must be a whole number"),
        ({"device": "gpu"}, "device must be"),
        ({"compile": "maybe"}, "compile must be one of auto, yes, no"),
        ({"mixed_precision": "bf61"}, "mixed_precision"),
        ({"shortcut": "C"}, "shortcut must be one of A, B"),
        ({"checkpoint": "x", "pretrained": True}, "one of them"),
    ],
)
def test_a_setting_out_of_range_is_named(change, match):
    with pytest.raises(ValueError, match=match):
        TrainConfig(**change)


def test_it_goes_through_json_unchanged():
    config = TrainConfig(skip=("layer1.*",), method_options={"shrink_min": 0.5}, lr=1e-3)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_an_unknown_setting_names_near_ones():
    with pytest.raises(ValueError, match="'epoch'; near: epochs"):
        TrainConfig.from_dict({"epoch": 3})


def test_what_is_given_outranks_the_recipe():
    config = TrainConfig(epochs=3).resolved("digits", 1347, 8)
    assert (config.epochs, config.batch_size, config.lr) == (3, 64, 1e-3)
    assert config.resolved("digits", 1347, 8) == config


def test_the_recipe_for_cifar_is_the_published_one():
    assert {**recipe("cifar10", 50_000, 32), "start_epochs": 0, "start_lr": 0} == {
        "epochs": 250, "batch_size": 256, "lr": 1e-3, "start_epochs": 0, "start_lr": 0,
    }  # fmt: skip


def test_small_sets_get_batches_that_they_can_fill():
    for images in (2, 5, 40, 300, 5000):
        assert 2 <= recipe("folder", images, 32)["batch_size"] <= max(2, images)


def test_the_start_does_not_depend_on_how_the_run_quantizes():
    first = TrainConfig(method="lsq", bits=4).resolved("digits", 1347, 8)
    second = TrainConfig(method="aoq", bits=2, quantize_downsampling=False, skip=("x",), hard_labels=0.5, name="mine")
    assert first.start() == second.resolved("digits", 1347, 8).start()
    assert first.start().method == "fp32"
    assert (first.start().epochs, first.start().lr) == (20, 3e-3)


@pytest.mark.parametrize("change", [{"seed": 1}, {"arch": "resnet32"}, {"start_epochs": 3}, {"start_lr": 1.0}])
def test_the_start_depends_on_what_full_precision_training_depends_on(change):
    config = TrainConfig().resolved("digits", 1347, 8)
    assert TrainConfig(**change).resolved("digits", 1347, 8).start().name != config.start().name


def test_the_digest_is_that_of_the_course_of_training():
    config = TrainConfig()
    assert TrainConfig(name="other", device="cpu", tensorboard=True).digest() == config.digest()
    assert TrainConfig(seed=1).digest() != config.digest()


def test_a_full_precision_run_takes_the_settings_of_a_start():
    config = TrainConfig(method="fp32").resolved("digits", 1347, 8)
    assert (config.epochs, config.lr, config.start_epochs, config.start_lr) == (20, 3e-3, None, None)


def test_any_folder_of_images_gives_a_name_that_a_folder_can_have():
    config = TrainConfig(data="/some where/Bilder für mich").resolved("Bilder für mich", 1000, 32)
    for name in (config.default_name(), config.start().name):
        assert TrainConfig(name=name).name == name
