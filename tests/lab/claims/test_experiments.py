"""What each budget runs: names, groups and settings are complete before anything is computed."""

import pytest

from aoqlab.lab.claims import CLAIMS
from aoqlab.lab.claims.claim import At, Best, Beyond, Matched
from aoqlab.lab.claims.experiments import BUDGETS, LEAST, METHODS, experiments

ALL = {
    (budget, e.data): e
    for budget in BUDGETS
    for e in experiments(budget, None if budget in ("first", "quick") else "/somewhere/photos")
}
PARTS = [pytest.param(part, id=claim.id) for claim in CLAIMS.values() for part in (*claim.parts, *claim.also)]


@pytest.fixture(params=ALL, ids="-".join)
def experiment(request):
    return ALL[request.param]


def test_names_are_unique(experiment):
    names = [v.name for v in experiment.variants]
    assert len(set(names)) == len(names)


def test_seeds_are_enough_for_a_verdict_except_at_first_sight():
    for (budget, _), e in ALL.items():
        assert (e.seeds >= LEAST[e.kind]) == (budget != "first" or e.kind == "landscape")


def test_records_are_where_stages_end(experiment):
    """A record an epoch, and stages that end at 0.2 and 0.6 of the training."""
    epochs = {v.config.epochs for v in experiment.variants if experiment.kind == "network"} - {None}
    assert all(epoch % 5 == 0 for epoch in epochs)


def test_variants_differ_in_more_than_their_name(experiment):
    if experiment.kind == "landscape":
        pytest.skip("its runs are made all at once")
    configs = [str(v.config) for v in experiment.variants]
    assert len(set(configs)) == len(configs)


def test_both_sides_are_tuned_over_equally_many_settings(experiment):
    sizes = {group: sum(group in v.groups for v in experiment.variants) for group in ("aoq grid", "lsq grid")}
    assert sizes["aoq grid"] == sizes["lsq grid"]


def test_every_rival_is_tuned_over_as_many_rates_as_aoq():
    networks = [e for e in ALL.values() if e.kind == "network" and len(e.variants) > 30]
    assert networks
    for e in networks:
        rates = {m: sorted(v.config.lr for v in e.variants if f"{m} grid" in v.groups) for m in METHODS}
        assert len({tuple(r) for r in rates.values()}) == 1
        others = {v.name for v in e.variants if "others grid" in v.groups}
        assert others == {v.name for v in e.variants for m in METHODS if m != "aoq" and f"{m} grid" in v.groups}


@pytest.mark.parametrize("part", PARTS)
def test_every_statistic_of_the_full_sets_has_its_runs(part):
    for e in ALL.values():
        if len(e.variants) < 30 or part.on not in (None, e.kind):
            continue
        names, groups = {v.name for v in e.variants} | {"lossless"}, {g for v in e.variants for g in v.groups}
        for selector in (part.first, part.second):
            match selector:
                case At(variant):
                    assert variant in names
                case Beyond(variant, base):
                    assert {variant, base} <= names
                case Best(group, without):
                    assert group in groups
                    assert set(without) <= names
                case Matched(group, like):
                    assert group in groups
                    assert like in names


def test_unknown_budgets_and_images_without_time_are_refused():
    with pytest.raises(ValueError, match="unknown budget 'huge'; there are first, quick, cpu, full"):
        experiments("huge")
    with pytest.raises(ValueError, match="no time for images"):
        experiments("quick", "/somewhere/photos")


def test_every_claim_says_what_decides_it():
    assert len({claim.id for claim in CLAIMS.values()}) == len(CLAIMS)
    for claim in CLAIMS.values():
        assert claim.parts
        assert claim.because
        statistics = [part.statistic for part in (*claim.parts, *claim.also)]
        assert len(set(statistics)) == len(statistics)
