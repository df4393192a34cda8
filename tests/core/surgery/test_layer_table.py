from aoqlab.quantizers import AOQ, LSQ, LTQ, Freezing
from aoqlab.surgery import activation_quantizers, quantize, quantized_layers, weight_sites
from aoqlab.surgery.layer_table import COLUMNS


def test_the_table_says_what_was_done_to_each_layer(mixed, images):
    quantize(mixed, weights=Freezing(AOQ(3, per_channel=True)), activations=LTQ(2), sample=images, skip=["pointwise"])
    table = quantized_layers(mixed)
    assert tuple(table.columns) == COLUMNS
    rows = table.fillna(0).to_numpy().tolist()
    method = "Freezing(AOQ per channel)"
    assert rows == [
        ["stem", "Conv2d", "8x3x3x3", 216, 0, "", 0, "", "", "first convolution"],
        ["fc1", "Linear", "16x8", 128, 3, method, 2, "Shifted(LTQ)", "shifted", ""],
        ["fc2", "Linear", "8x16", 128, 3, method, 2, "Shifted(LTQ)", "shifted", ""],
        ["pointwise", "Conv1d", "8x8x1", 64, 0, "", 0, "", "", "skip pattern 'pointwise'"],
        ["head", "Linear", "10x8", 80, 0, "", 0, "", "", "last linear layer"],
    ]


def test_a_float_network_has_a_table_too(resnet):
    assert set(quantized_layers(resnet).why_skipped) == {"never quantized"}


def test_reading_the_table_runs_no_quantizer(resnet, images, monkeypatch):
    quantize(resnet, weights=AOQ(2), activations=LSQ(2), sample=images)
    monkeypatch.setattr(AOQ, "forward", None)
    assert len(quantized_layers(resnet)) == 7


def test_prototypes_stay_untouched_and_layers_do_not_share(resnet, images):
    weights, activations = AOQ(2), LSQ(2)
    quantize(resnet, weights=weights, activations=activations, sample=images)
    assert float(weights.level_interval.detach()) == float(activations.step.detach()) == 1
    used = [site.quantizer for site in weight_sites(resnet).values()] + list(activation_quantizers(resnet).values())
    assert len({id(q) for q in (weights, activations, *used)}) == 12


def test_sites_hold_what_the_optimizer_moves(resnet):
    before = dict(resnet.named_parameters())
    quantize(resnet, weights=AOQ(2))
    for name, site in weight_sites(resnet).items():
        assert site.name == name
        assert site.latent is before[f"{name}.weight"]
        assert site.module is resnet.get_submodule(name)
        assert (site.codes() == site.quantizer.encode(site.latent)).all()
