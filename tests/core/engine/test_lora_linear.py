"""LoRA in one operation against peft's own layer, and against the formula where dropout is drawn."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from torch import Tensor, nn
from torch.nn import functional as F

from e1bind.engine.lora_dropout import LEVELS, Dropped
from e1bind.engine.lora_linear import LoraLinear, use_one_operation
from e1bind.engine.pipeline import Pipeline, adapted

N, INPUTS, OUTPUTS = 7, 12, 20
SHARE = 0.25


class Two(nn.Module):
    """Two layers that read one tensor, and one that reads their sum."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(INPUTS, OUTPUTS), nn.Linear(INPUTS, OUTPUTS, bias=False)
        self.last = nn.Linear(OUTPUTS, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x.tanh()
        return self.last(self.left(x) + self.right(x).relu())


def twins(dropout: float = 0.0, **options: object) -> tuple[nn.Module, nn.Module]:
    """The same adapted network with peft's layers, and with ours."""
    torch.manual_seed(0)
    config = LoraConfig(
        r=4, lora_alpha=8, lora_dropout=dropout, target_modules=["left", "right", "last"],
        **{"init_lora_weights": False, **options},
    )  # fmt: skip
    peft = get_peft_model(Two(), config).train()
    ours = copy.deepcopy(peft)
    use_one_operation(ours)
    return peft, ours


def passed(network: nn.Module, x: Tensor) -> list[Tensor]:
    """Output, and the gradients of the input and of everything that is trained."""
    x = x.clone().requires_grad_()
    out = network(x)
    trained = [p for p in network.parameters() if p.requires_grad]
    return [out.detach(), *torch.autograd.grad(out.square().mean(), [x, *trained])]


def worst(one: list[Tensor], other: list[Tensor]) -> float:
    """Largest difference, relative to the largest number of its tensor."""
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("shape", [(N, INPUTS), (2, N, INPUTS), (0, INPUTS)], ids=["rows", "batches", "nothing"])
@pytest.mark.parametrize("options", [{}, {"bias": "all"}, {"use_rslora": True}], ids=["plain", "bias", "rslora"])
def test_values_and_gradients_equal_pefts(shape, options) -> None:
    peft, ours = twins(**options)
    assert sum(isinstance(m, LoraLinear) for m in ours.modules()) == 3
    x = torch.randn(shape)
    if x.numel():
        assert worst(passed(ours, x), passed(peft, x)) < 1e-5
    else:
        assert ours(x).shape == peft(x).shape


def test_beside_bfloat16_weights_it_is_off_by_a_few_roundings_and_gradients_of_adapters_stay_fp32() -> None:
    peft, ours = twins()
    exact = passed(copy.deepcopy(peft).double(), x := torch.randn(64, INPUTS).double())
    errors = []
    for network in (peft, ours):
        for module in network.modules():
            if isinstance(module, nn.Linear) and not module.weight.requires_grad:
                module.bfloat16()
        found = passed(network, x.bfloat16())
        assert {p.dtype for p in network.parameters() if p.requires_grad} == {torch.float32}
        errors.append([float((a.double() - b).norm() / b.norm()) for a, b in zip(found, exact, strict=True)])
    roundings = 2**-9  # of one number; operands of the adapter's products are rounded as the frozen product's are
    assert max(errors[0]) < 4 * roundings
    assert max(errors[1]) < 10 * roundings


def by_the_formula(network: nn.Module, x: Tensor) -> Tensor:
    """The network's output by plain operations, with the elements that dropout takes drawn as it draws them."""

    def layer(module: nn.Module, x: Tensor, drop: Dropped) -> Tensor:
        kept = (drop.bits_NI >= drop.lowest).to(x.dtype)
        seen = x * kept * drop.scale
        adapter = seen @ module.lora_A["default"].weight.T @ module.lora_B["default"].weight.T
        return F.linear(x, module.base_layer.weight, module.base_layer.bias) + adapter * module.scaling["default"]

    two = network.base_model.model
    x = x.tanh()
    shared = Dropped.of(x, SHARE)
    assert shared is not None
    inner = layer(two.left, x, shared) + layer(two.right, x, shared).relu()
    last = Dropped.of(inner, SHARE)
    assert last is not None
    return layer(two.last, inner, last)


def test_with_dropout_values_and_gradients_are_those_of_the_formula_and_layers_of_one_input_share_a_draw() -> None:
    _, ours = twins(SHARE)
    x = torch.randn(N, INPUTS)
    found = []
    for forward in (ours, lambda x: by_the_formula(ours, x)):
        torch.manual_seed(3)
        leaf = x.clone().requires_grad_()
        out = forward(leaf)
        trained = [p for p in ours.parameters() if p.requires_grad]
        found.append([out.detach(), *torch.autograd.grad(out.square().mean(), [leaf, *trained])])
    assert worst(*found) < 1e-5


@pytest.mark.parametrize("dropout", [0.0, SHARE])
def test_layers_of_one_input_give_together_what_each_gives_by_itself(dropout: float) -> None:
    _, ours = twins(dropout)
    two = ours.base_model.model
    x = torch.randn(N, INPUTS)

    def gradients(read: Callable[[Tensor], list[Tensor]]) -> list[Tensor]:
        torch.manual_seed(3)
        leaf = x.clone().requires_grad_()
        left, right = read(leaf * 1)
        trained = [p for n, p in two.named_parameters() if p.requires_grad and "last" not in n]
        return [left.detach(), right.detach(), *torch.autograd.grad((left * right).sum(), [leaf, *trained])]

    apart = gradients(lambda x: [two.left(x), two.right(x)])
    assert worst(gradients(lambda x: LoraLinear.together([two.left, two.right], x)), apart) < 1e-5


def test_layers_that_cannot_compute_together_say_so() -> None:
    _, ours = twins()
    two, x = ours.base_model.model, torch.randn(N, INPUTS)
    assert LoraLinear.together([two.left, nn.Linear(INPUTS, 3)], x) is None
    with ours.disable_adapter():
        assert LoraLinear.together([two.left, two.right], x) is None
    two.right.lora_dropout["default"] = nn.Dropout(SHARE)
    assert LoraLinear.together([two.left, two.right], x) is None
    two.right.lora_dropout["default"] = nn.Identity()
    assert LoraLinear.together([two.left, two.right], x) is not None
    two.right.scaling["default"] *= 2
    assert LoraLinear.together([two.left, two.right], x) is None
    two.right.scaling["default"] /= 2
    called: list[object] = []
    two.right.register_forward_hook(lambda module, *_: called.append(module))
    assert LoraLinear.together([two.left, two.right], x) is None


def merges(layer: LoraLinear, x: torch.Tensor) -> bool:
    plain = layer._plain(x)
    assert plain is not None
    return plain.merges(x)


def test_without_gradients_the_adapter_is_added_to_weights_of_its_precision_where_that_is_less_work() -> None:
    peft, ours = twins(SHARE)
    many = torch.randn(40, INPUTS)
    layer = ours.eval().base_model.model.left
    with torch.no_grad():
        assert worst([ours(many)], [peft.eval()(many)]) < 1e-5
        assert merges(layer, many)
        assert not merges(layer, many[:2])
        assert not merges(layer.train(), many)
    assert not merges(layer.eval(), many)
    with torch.no_grad():
        layer.base_layer.bfloat16()  # the adapter stays fp32
        assert not merges(layer, many.bfloat16())


def test_dropout_takes_its_share_and_draws_anew_for_every_tensor() -> None:
    torch.manual_seed(0)
    x = torch.ones(500, 399, requires_grad=True)
    step = x * 1
    drawn = [Dropped.of(t, SHARE) for t in (step, step, x * 1, x, x)]
    assert drawn[0] is drawn[1]
    kept = [d.kept_NI(torch.float32) for d in drawn if d is not None]
    for k in kept:
        assert abs(float(k.mean()) - (1 - SHARE)) < 0.005
        assert abs(float(k.mean(0).std()) - (SHARE * (1 - SHARE) / 500) ** 0.5) < 0.003  # no column apart
    pairs = [(0, 2), (2, 3), (3, 4)]
    assert all(abs(float((kept[a] * kept[b]).mean()) - (1 - SHARE) ** 2) < 0.005 for a, b in pairs)
    assert drawn[0].scale == pytest.approx(1 / (1 - SHARE), rel=1 / LEVELS)
    with torch.no_grad():
        step.mul_(2)
    assert Dropped.of(step, SHARE) is not drawn[0]


def test_without_training_there_is_no_dropout() -> None:
    peft, ours = twins(SHARE)
    x = torch.randn(N, INPUTS)
    assert worst(passed(ours.eval(), x), passed(peft.eval(), x)) < 1e-5


def _disabled(network: nn.Module, x: Tensor) -> Tensor:
    with network.disable_adapter():
        return network(x)


def _merged(network: nn.Module, x: Tensor) -> Tensor:
    network.merge_adapter()
    out = network(x)
    network.unmerge_adapter()
    return out


def _two_adapters(network: nn.Module, x: Tensor) -> Tensor:
    torch.manual_seed(1)
    network.add_adapter("other", LoraConfig(r=2, target_modules=["left"], init_lora_weights=False))
    network.base_model.set_adapter(["default", "other"])
    return network(x)


def _autocast(network: nn.Module, x: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return network(x)


@pytest.mark.parametrize("use", [_disabled, _merged, _two_adapters, _autocast])
def test_what_is_more_than_plain_lora_is_left_to_peft(use: Callable[[nn.Module, Tensor], Tensor]) -> None:
    peft, ours = twins()
    x = torch.randn(N, INPUTS)
    assert torch.allclose(use(ours, x), use(peft, x), atol=1e-6)


def test_dora_is_left_to_peft() -> None:
    peft, ours = twins(use_dora=True)
    x = torch.randn(N, INPUTS)
    assert worst(passed(ours, x), passed(peft, x)) < 1e-6


def test_a_pipelines_network_has_these_layers_with_the_names_and_files_of_peft(
    make_pipeline: Callable[..., Pipeline],
) -> None:
    pipeline = make_pipeline()
    network = adapted(pipeline, pipeline.backbone.load_model())
    layers = [m for m in network.modules() if hasattr(m, "lora_A")]
    assert layers
    assert {type(m) for m in layers} == {LoraLinear}
    peft = get_peft_model(pipeline.backbone.load_model(), network.peft_config["default"])
    assert get_peft_model_state_dict(network).keys() == get_peft_model_state_dict(peft).keys()
