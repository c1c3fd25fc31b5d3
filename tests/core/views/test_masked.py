from __future__ import annotations

import pickle

import numpy as np
import pytest
from pydantic import ValidationError

from e1bind.contracts import MASK, STANDARD_RESIDUES, DrawKey, ResidueRecord
from e1bind.views.masked import MaskedViews, unmasked_view
from e1bind.views.options import MaskedOptions

SEQUENCE = "ACDEFGHIKLMNPQRSTVWYX" * 50
RECORD = ResidueRecord("a", SEQUENCE)
KEY = DrawKey(run_seed=1, epoch=2, protein="a")


class Contexts:
    """Draws twenty residues; counts its draws."""

    def __init__(self) -> None:
        self.draws = 0

    def draw(self, record: ResidueRecord, rng: np.random.Generator) -> tuple[str, ...]:
        self.draws += 1
        return (record.id, *rng.choice(list(STANDARD_RESIDUES), 20).tolist())


def views_of(**options: object) -> list[tuple[str, np.ndarray]]:
    views = MaskedViews(MaskedOptions.model_validate(options)).generate(RECORD, KEY, None)
    assert all(view.truth == SEQUENCE and view.context == () for view in views)
    return [(view.visible, view.selected) for view in views]


def test_shares_of_hidden_replaced_and_kept_are_80_10_10() -> None:
    counts = np.zeros(3)
    for visible, selected in views_of(num_variants=100, mask_prob_min=0.3, mask_prob_max=0.3):
        for now, before in zip(np.array(list(visible))[selected], np.array(list(SEQUENCE))[selected], strict=True):
            counts[0 if now == MASK else 1 if now != before else 2] += 1
    # A random residue is the true one in 1 of 20 cases.
    np.testing.assert_allclose(counts / counts.sum(), [0.8, 0.095, 0.105], atol=0.01)


def test_unselected_residues_are_left_alone_and_x_is_never_selected() -> None:
    for visible, selected in views_of(num_variants=20, mask_prob_min=0.5, mask_prob_max=1):
        assert len(visible) == len(selected) == len(SEQUENCE)
        assert all(
            now == before for now, before, chosen in zip(visible, SEQUENCE, selected, strict=True) if not chosen
        )
        assert not selected[np.array(list(SEQUENCE)) == "X"].any()
        assert set(visible) <= set(STANDARD_RESIDUES + "X" + MASK)


def test_replacements_are_standard_residues_only_and_all_of_them() -> None:
    seen = set()
    for visible, selected in views_of(
        num_variants=20, mask_prob_min=1, mask_prob_max=1, mask_share=0, random_share=1
    ):
        seen |= set(np.array(list(visible))[selected])
    assert seen == set(STANDARD_RESIDUES)


def test_share_is_drawn_per_view_from_the_whole_range() -> None:
    standard = sum(letter != "X" for letter in SEQUENCE)
    shares = [selected.sum() / standard for _, selected in views_of(num_variants=200)]
    assert 0.03 < min(shares) < 0.06
    assert 0.14 < max(shares) < 0.18
    assert np.mean(shares) == pytest.approx(0.10, abs=0.01)
    assert np.std(shares) > 0.02


def test_views_differ_and_repeat_with_the_key() -> None:
    maker = pickle.loads(pickle.dumps(MaskedViews(MaskedOptions())))  # noqa: S301
    first = [view.visible for view in maker.generate(RECORD, KEY, None)]
    assert len(set(first)) == maker.num_views == 4
    assert first == [view.visible for view in maker.generate(RECORD, DrawKey(1, 2, "a"), None)]
    for other in (DrawKey(2, 2, "a"), DrawKey(1, 3, "a"), DrawKey(1, 2, "b")):
        assert not set(first) & {view.visible for view in maker.generate(RECORD, other, None)}


def test_a_view_does_not_depend_on_the_number_of_views() -> None:
    assert views_of(num_variants=2)[1][0] == views_of(num_variants=4)[1][0]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_view_never_hides_every_residue(length: int) -> None:
    maker = MaskedViews(
        MaskedOptions(num_variants=50, mask_prob_min=1, mask_prob_max=1, mask_share=1, random_share=0)
    )
    for view in maker.generate(ResidueRecord("a", "M" * length), KEY, None):
        assert view.visible.count(MASK) == length - 1
        assert view.selected.all()


def test_nothing_is_masked_at_probability_zero() -> None:
    for visible, selected in views_of(mask_prob_min=0, mask_prob_max=0):
        assert visible == SEQUENCE
        assert not selected.any()


def test_each_view_draws_its_own_context_or_all_share_one() -> None:
    contexts = Contexts()
    resampled = MaskedViews(MaskedOptions()).generate(RECORD, KEY, contexts)
    assert len({view.context for view in resampled}) == contexts.draws == 4
    contexts = Contexts()
    shared = MaskedViews(MaskedOptions(resample_msa_per_variant=False)).generate(RECORD, KEY, contexts)
    assert contexts.draws == 1
    assert all(view.context is shared[0].context for view in shared)
    assert shared[0].context == resampled[0].context


def test_masks_do_not_depend_on_contexts() -> None:
    maker = MaskedViews(MaskedOptions())
    with_contexts = [view.visible for view in maker.generate(RECORD, KEY, Contexts())]
    assert with_contexts == [view.visible for view in maker.generate(RECORD, KEY, None)]


def test_unmasked_view_shows_the_chain() -> None:
    view = unmasked_view(RECORD, KEY)
    assert view.visible == view.truth == SEQUENCE
    assert not view.selected.any()
    assert view.context == ()
    assert unmasked_view(RECORD, KEY, Contexts()).context == unmasked_view(RECORD, KEY, Contexts()).context
    assert unmasked_view(RECORD, KEY, Contexts()).context != unmasked_view(RECORD, KEY, Contexts(), 1).context


def test_capabilities_state_views_and_masking() -> None:
    assert MaskedOptions().capabilities() == {"views=4", "masked-tokens"}
    assert MaskedOptions(num_variants=1, mask_prob_min=0, mask_prob_max=0).capabilities() == {"views=1"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"mask_prob_min": 0.2, "mask_prob_max": 0.1}, "mask_prob_min .0.2. is above"),
        ({"mask_share": 0.95, "random_share": 0.1}, "exceed 1 together"),
        ({"num_variants": 0}, "greater than or equal to 1"),
        ({"mask_prob_max": 1.5}, "less than or equal to 1"),
    ],
)
def test_impossible_options_are_refused(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        MaskedOptions.model_validate(wrong)
