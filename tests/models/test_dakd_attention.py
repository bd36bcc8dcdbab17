"""The Temporal Aggregation Module and its alternatives against plain loops, hand-computed values and what must hold."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from oddframe.errors import RecipeError
from oddframe.models.dakd import DAKDConfig, temporal_module
from oddframe.models.layers.temporal import MTN, TAM, Nothing, Recurrent, TAMAttention, relative_index


def module(backbones: int = 3, ins: int = 6, seed: int = 0, **options: Any) -> TAM:
    torch.manual_seed(seed)
    return TAM(backbones, ins, TAMAttention(**{"attention_dim": 8, "heads": 2, "max_distance": 3, **options})).double()


def sequences(backbones: int = 3, bags: int = 2, segments: int = 5, ins: int = 6) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(bags, segments, ins, generator=generator, dtype=torch.float64) for _ in range(backbones)]


def four_terms(m: TAM, z: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Attention (backbones, h, N, S, S) and H (N, S, d) by loops over backbones, heads and pairs of segments."""
    a, (bags, segments, _), count = m.attention, z[0].shape, len(z)
    size = a.attention_dim // a.heads
    parts = [m.content[t](z[t]).chunk(3, -1) for t in range(count)]
    key_r = m.position_key(m.table) if m.position_key else None
    query_r = m.position_query(m.table) if m.position_query else None
    weights = torch.zeros(count, a.heads, bags, segments, segments, dtype=torch.float64)
    out = torch.zeros(bags, segments, a.attention_dim, dtype=torch.float64)

    def gamma(i: int, j: int) -> int:
        return 0 if i - j <= -a.max_distance else 2 * a.max_distance - 1 if i - j >= a.max_distance else (
            i - j + a.max_distance)  # fmt: skip

    for t in range(count):
        for head in range(a.heads):
            own = slice(head * size, (head + 1) * size)
            for i in range(segments):
                for j in range(segments):
                    total = torch.zeros(bags, dtype=torch.float64)
                    for u in range(count):
                        if ("self" if u == t else "cross") in a.terms:
                            total = total + (parts[t][0][:, i, own] * parts[u][1][:, j, own]).sum(1)
                    if key_r is not None:
                        total = total + parts[t][0][:, i, own] @ key_r[gamma(i, j), own]
                    if query_r is not None:
                        row = gamma(j, i) if a.p2c_index == "ji" else gamma(i, j)
                        total = total + parts[t][1][:, j, own] @ query_r[row, own]
                    weights[t, head, :, i, j] = total / sqrt(a.counted(count) * size)
            weights[t, head] = weights[t, head].softmax(-1)
            out[..., own] += weights[t, head] @ parts[t][2][..., own] / count
    return weights, out


# ---------------------------------------------------------------------------------------------- relative positions


@pytest.mark.parametrize("segments", [1, 2, 7, 32, 40])
@pytest.mark.parametrize("k", [1, 2, 25, 32, 50])
def test_gamma_has_three_cases(segments: int, k: int) -> None:
    distance = torch.arange(segments)[:, None] - torch.arange(segments)
    got = relative_index(distance, k)
    wanted = torch.where(distance <= -k, 0, torch.where(distance >= k, 2 * k - 1, distance + k))
    assert torch.equal(got, wanted)
    assert got.min() >= 0 and got.max() < 2 * k
    assert (got.diagonal() == k).all()  # 1 for k = 1, the last row


def test_gamma_of_the_paper_uses_every_row() -> None:
    distance = torch.arange(32)[:, None] - torch.arange(32)
    got = relative_index(distance, 25)
    assert got.unique().numel() == 50 and (got == 0).sum() == 28 and (got == 49).sum() == 36
    assert relative_index(distance, 1).unique().tolist() == [0, 1]
    assert 0 not in relative_index(distance, 32).unique().tolist()


def test_buckets_keep_short_distances_and_share_rows_beyond() -> None:
    got = relative_index(torch.arange(-40, 41), 32, buckets=8)
    assert got[36:45].tolist() == list(range(4, 13))  # distances -4..4 around row 8
    assert (got.diff() >= 0).all() and got.min() >= 0 and got.max() < 16
    assert got[40 + 5] == got[40 + 6] == 8 + 4 + 1  # ceil(ln(d / 4) / ln(31 / 4) * 3) = 1 for d = 5, 6


# -------------------------------------------------------------------------------------------- values of the spec


def fixture(backbones: int, index: str) -> tuple[TAM, list[Tensor]]:
    m = TAM(backbones, 2, TAMAttention(2, 1, 2, p2c_index=index, attention_bias=False)).double()  # type: ignore[arg-type]
    eye = torch.eye(2, dtype=torch.float64)
    with torch.no_grad():
        for t, content in enumerate(m.content):
            content.weight.copy_(torch.cat([(t + 1) * eye, eye, eye]))
        m.position_query.weight.copy_(eye)
        m.position_key.weight.copy_(eye)
        m.table.copy_(torch.arange(1, 5)[:, None] * torch.tensor([1, 2]) / 10)
    z = torch.tensor([[[[1, 0], [0, 1], [1, 1]]], [[[0, 2], [1, 0], [0, -1]]]], dtype=torch.float64)
    return m, list(z[:backbones])


GOLDEN = {
    "ji": (
        [[.291315, .335568, .373117], [.423151, .318903, .257947], [.422089, .329550, .248361]],
        [[.866074, .119590, .014336], [.439787, .343368, .216845], [.160857, .303965, .535178]],
        [[.392011, 1.213249], [.512233, .619789], [.487208, .182224]],
    ),
    "ij": (
        [[.341095, .341095, .317809], [.462621, .324847, .212532], [.427706, .345953, .226340]],
        [[.870231, .111961, .017808], [.495920, .291805, .212276], [.222044, .294629, .483327]],
        [[.385433, 1.190779], [.483479, .658471], [.474338, .266528]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("index", ["ji", "ij"])
def test_values_of_two_backbones(index: str) -> None:
    m, z = fixture(2, index)
    first, second, out = (torch.tensor(values, dtype=torch.float64) for values in GOLDEN[index])
    got = [weights[0, 0] for weights, _ in m.attend(z)]
    torch.testing.assert_close(got, [first, second], rtol=0, atol=6e-7)
    torch.testing.assert_close(m(z)[0], out, rtol=0, atol=1.1e-6)


def test_values_of_one_backbone() -> None:
    m, z = fixture(1, "ji")
    wanted = torch.tensor([[0.748599, 0.678822], [0.641587, 0.780404], [0.715657, 0.748434]], dtype=torch.float64)
    torch.testing.assert_close(m(z)[0], wanted, rtol=0, atol=6e-7)


# ------------------------------------------------------------------------------------------------------ properties


@pytest.mark.parametrize("index", ["ji", "ij"])
@pytest.mark.parametrize("backbones", [1, 2, 3])
def test_it_is_the_sum_of_the_four_terms(backbones: int, index: str) -> None:
    m, z = module(backbones, p2c_index=index), sequences(backbones)
    weights, out = four_terms(m, z)
    torch.testing.assert_close(m(z), out, rtol=0, atol=1e-10)
    torch.testing.assert_close(torch.stack([w for w, _ in m.attend(z)]), weights, rtol=0, atol=1e-10)
    single = m.float()([x.float() for x in z])
    torch.testing.assert_close(single.double(), out, rtol=0, atol=1e-6)


TERM_SETS = [("self",), ("cross",), ("c2p",), ("p2c",), ("cross", "c2p", "p2c"), ("self", "c2p", "p2c"),
             ("self", "cross", "p2c"), ("self", "cross", "c2p"), ("self", "cross")]  # fmt: skip


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("terms", TERM_SETS, ids="+".join)
def test_each_term_can_be_switched(terms: tuple[str, ...], fixed: bool) -> None:
    m, z = module(3, terms=terms, fixed_scale=fixed), sequences(3)
    torch.testing.assert_close(m(z), four_terms(m, z)[1], rtol=0, atol=1e-10)
    left = len([t for t in terms if t != "cross"]) + 2 * ("cross" in terms)
    assert m.scale == pytest.approx(1 / sqrt((5 if fixed else left) * 4))
    assert all(p.numel() for p in m.parameters())


def test_content_alone_is_plain_multi_head_attention() -> None:
    m, z = module(1, ins=8, terms=("self",)), sequences(1, ins=8)
    plain = nn.MultiheadAttention(8, 2, batch_first=True).double()
    with torch.no_grad():
        plain.in_proj_weight.copy_(m.content[0].weight)
        plain.in_proj_bias.copy_(m.content[0].bias)
        plain.out_proj.weight.copy_(torch.eye(8))
        plain.out_proj.bias.zero_()
    torch.testing.assert_close(m(z), plain(z[0], z[0], z[0])[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("scale", ["head", "full"])
def test_one_backbone_is_disentangled_attention_by_gathers(scale: str) -> None:
    m, z = module(1, p2c_index="ij", scale_width=scale), sequences(1)
    q, k, v = (x.unflatten(-1, (2, 4)).transpose(1, 2) for x in m.content[0](z[0]).chunk(3, -1))  # (N, h, S, 4)
    key_r, query_r = (layer(m.table).unflatten(-1, (2, 4)).transpose(0, 1) for layer in
                      (m.position_key, m.position_query))  # fmt: skip
    place = torch.arange(5)
    c2p = (place[:, None] - place + 3).clamp(0, 5)
    p2c = (-(place[:, None] - place) + 3).clamp(0, 5)  # as that code has it, gathered along keys, then turned
    logits = q @ k.mT + (q @ key_r.mT).gather(-1, c2p.expand(2, 2, 5, 5))
    logits = logits + (k @ query_r.mT).gather(-1, p2c.expand(2, 2, 5, 5)).mT
    out = (logits / sqrt(3 * (4 if scale == "head" else 8))).softmax(-1) @ v
    torch.testing.assert_close(m(z), out.transpose(1, 2).flatten(2), rtol=0, atol=1e-10)


def test_the_order_of_backbones_does_not_matter() -> None:
    m, other, z = module(3), module(3), sequences(3)
    order = [2, 0, 1]
    other.content = nn.ModuleList(m.content[t] for t in order)
    torch.testing.assert_close(other([z[t] for t in order]), m(z), rtol=0, atol=1e-12)


def test_a_repeated_backbone_repeats_content_but_not_positions() -> None:
    one, three, z = module(1), module(3), sequences(1)
    three.load_state_dict({name.replace("content.0", f"content.{t}"): value for t in range(3)
                           for name, value in one.state_dict().items()})  # fmt: skip
    content = module(1, terms=("self",))
    content.load_state_dict({n: v for n, v in one.state_dict().items() if n.startswith("content")})
    logits = {name: next(iter(m.attend(z)))[0].log() for name, m in (("all", one), ("content", content))}
    relative = logits["all"] * sqrt(3 * 4) - logits["content"] * sqrt(4)
    expected = ((3 * logits["content"] * sqrt(4) + relative) / sqrt(5 * 4)).softmax(-1)
    torch.testing.assert_close(next(iter(three.attend(z * 3)))[0], expected, rtol=0, atol=1e-10)
    assert (three(z * 3) - one(z)).abs().max() > 1e-4


def test_without_positions_the_order_of_segments_does_not_matter() -> None:
    m, z, order = module(3), sequences(3), torch.tensor([3, 1, 4, 0, 2])
    assert (m([x[:, order] for x in z]) - m(z)[:, order]).abs().max() > 1e-6
    with torch.no_grad():
        m.table.zero_()
        m.position_query.bias.zero_()
        m.position_key.bias.zero_()
    torch.testing.assert_close(m([x[:, order] for x in z]), m(z)[:, order], rtol=0, atol=1e-12)


def test_a_sequence_within_a_longer_masked_one_is_left_alone() -> None:
    m, z = module(3), sequences(3)
    for filler in (0.0, 1e6):
        longer = [torch.full((2, 12, 6), filler, dtype=torch.float64) for _ in z]
        for whole, part in zip(longer, z, strict=True):
            whole[:, 4:9] = part
        mask = torch.zeros(2, 12, dtype=torch.bool)
        mask[:, 4:9] = True
        torch.testing.assert_close(m(longer, mask)[:, 4:9], m(z), rtol=0, atol=1e-10)
        for weights, _ in m.attend(longer, mask):
            assert (weights[..., ~mask[0]] == 0).all()
            torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))


def test_a_bag_that_is_all_padding_gives_zeros() -> None:
    m, z = module(3), [x.requires_grad_() for x in sequences(3)]
    out = m(z, torch.tensor([[True] * 5, [False] * 5]))
    assert (out[1] == 0).all() and out.isfinite().all()
    out.sum().backward()
    assert all(x.grad.isfinite().all() for x in z)


def test_every_parameter_learns_but_what_cannot_matter() -> None:
    m, z = module(3, max_distance=5), sequences(3)  # five segments, distances -4..4: row 0 of 10 is never looked up
    m(z).square().sum().backward()
    grads = {name: p.grad for name, p in m.named_parameters()}
    assert all(grad.isfinite().all() for grad in grads.values())
    assert all(grad.abs().max() > 1e-6 for name, grad in grads.items() if name != "position_key.bias")
    assert grads["position_key.bias"].abs().max() < 1e-12  # adds the same to every key of a query
    # Row 0 goes into the projected table, but no distance picks it.
    assert (grads["table"][0] == 0).all() and (grads["table"][1:].abs().sum(1) > 0).all()
    frozen = module(3, learn_table=False)
    assert "table" in frozen.state_dict() and "table" not in dict(frozen.named_parameters())


@pytest.mark.parametrize("cross", [True, False])
def test_other_backbones_are_heard_through_cross_alone(cross: bool) -> None:
    m = module(2, terms=("self", "cross", "c2p", "p2c") if cross else ("self", "c2p", "p2c"))
    z = [x.requires_grad_() for x in sequences(2)]
    (_, own), _ = m.attend(z)
    grad = torch.autograd.grad(own.square().sum(), z[1], allow_unused=True)[0]
    assert (grad is not None and grad.abs().max() > 1e-6) if cross else (grad is None)


@pytest.mark.parametrize("segments", [1, 32, 200])
def test_any_number_of_segments(segments: int) -> None:
    m, z = module(3), sequences(3, segments=segments)
    out = m(z)
    assert out.shape == (2, segments, 8) and out.dtype == torch.float64
    if segments == 1:
        values = [content(x).chunk(3, -1)[2] for content, x in zip(m.content, z, strict=True)]
        torch.testing.assert_close(out, torch.stack(values).mean(0))


def test_bf16_stays_near_and_results_repeat() -> None:
    m, z = module(3, ins=16, attention_dim=32).float(), [x.float() for x in sequences(3, segments=32, ins=16)]
    assert torch.equal(m(z), m(z))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(m(z).float(), m(z).float(), rtol=0, atol=0)
        half = m(z).float()
    torch.testing.assert_close(half, m(z), rtol=0, atol=2e-2)


def test_dropout_and_the_deberta_block() -> None:
    m, z = module(2, attention_dropout=0.5), sequences(2)
    assert not torch.equal(m(z), m(z))
    assert torch.equal(m.eval()(z), m(z))
    block = module(2, block="deberta")
    assert block(z).shape == (2, 5, 8)
    plain = module(2)
    for t, (_, h) in enumerate(block.attend(z)):  # around the very same attention
        part = block.blocks[t]
        plain.load_state_dict({n: v for n, v in block.state_dict().items() if not n.startswith("blocks")})
        inner = [own for _, own in plain.attend(z)][t]
        x = part.norm(part.lift(z[t]) + part.out(inner))
        torch.testing.assert_close(h, part.mlp_norm(x + part.mlp(x)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention_dim": 10, "heads": 4}, "attention_dim 10 must be a multiple of heads 4"),
        ({"max_distance": 0}, "max_distance 0 must be at least 1"),
        ({"buckets": 7}, "buckets 7 must be 0, or even"),
        ({"buckets": 60}, "buckets 60 must be 0, or even"),
        ({"terms": ()}, "name at least one of self, cross, c2p, p2c"),
        ({"attention_dropout": 1.0}, "attention_dropout 1 must lie"),
    ],
)
def test_impossible_attention_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        TAMAttention(**options)


# ------------------------------------------------------------------------------------------------- the alternatives

KINDS = [("mha", None, 8), ("mtn", None, 48), ("lstm", None, 12), ("gru", None, 12), ("rnn", None, 12),
         ("conv", None, 12), ("none", None, 48), ("disentangled", None, 8), ("tam", None, 8), ("none", "mean", 16),
         ("mtn", "mean", 16), ("mha", "per_backbone", 8), ("disentangled", "concat", 8)]  # fmt: skip


def small(kind: Any, **options: Any) -> DAKDConfig:
    return DAKDConfig(temporal=kind, attention_dim=8, heads=2, max_distance=3, **options)


@pytest.mark.parametrize(("kind", "fusion", "width"), KINDS)
def test_alternatives_share_one_interface(kind: Any, fusion: Any, width: int) -> None:
    torch.manual_seed(0)
    m = temporal_module(small(kind, fusion=fusion, temporal_width=12), 3, 16).double()
    z = [x.requires_grad_() for x in sequences(3, ins=16)]
    out = m(z)
    assert m.width == width and out.shape == (2, 5, width)
    out.square().sum().backward()
    assert all(x.grad.abs().max() > 0 for x in z)
    far = torch.autograd.grad(m(z)[:, 0].square().sum(), z[0])[0][:, 1:]
    assert (far.abs().max() > 0) == (kind not in ("none", "lstm", "gru", "rnn"))  # those look back only


def test_disentangled_attention_is_tam_without_cross_and_with_own_positions() -> None:
    torch.manual_seed(0)
    m, z = temporal_module(small("disentangled"), 3, 6).double(), sequences(3)
    wanted = torch.stack([four_terms(stream.tam, [x])[1] for stream, x in zip(m.streams, z, strict=True)]).mean(0)
    torch.testing.assert_close(m(z), wanted, rtol=0, atol=1e-10)


def test_parameters_of_the_alternatives() -> None:
    def count(m: nn.Module) -> int:
        return sum(p.numel() for p in m.parameters())

    with torch.device("meta"):
        assert count(MTN(2048)) == 23_603_968
        kinds = {"lstm": 2_101_248, "gru": 1_575_936, "rnn": 525_312}
        assert {kind: count(Recurrent(kind, 512, 512, False)) for kind in kinds} == kinds  # type: ignore[arg-type]
        assert Recurrent("gru", 512, 256, True).width == 512
    with pytest.raises(RecipeError, match="multiple of 8"):
        MTN(20)


def test_mtn_starts_with_a_non_local_branch_that_changes_nothing() -> None:
    m = MTN(16).double()
    x = torch.randn(2, 4, 7, dtype=torch.float64)
    torch.testing.assert_close(m.non_local(x), x)
    assert Nothing(5).width == 5
