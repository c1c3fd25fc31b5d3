"""E1 written a second time, from the specification alone: float64, one row and head at a time.

Deliberately slow and without any code of the package. A row is a string as a user writes it; the result of a row
does not depend on a batch, so there is no padding here.
"""

from __future__ import annotations

import math

import torch

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def tokens_of(row, remove_x=False):
    """Lists of (id, within position, global position, sequence index) of a row's tokens."""
    out, offset = [], 0
    for index, piece in enumerate(row.split(",")):
        ids = [1, 6, *(5 if c == "?" else 8 + LETTERS.index(c) for c in piece), 7, 2]
        out += [(t, p, p + offset, index) for p, t in enumerate(ids) if not (remove_x and t == 31)]
        offset += len(ids)
    return out


def rms(z, weight, eps):
    return weight * z / torch.sqrt((z * z).mean(-1, keepdim=True) + eps)


def turn(x, positions, theta):
    """Rotate [tokens, heads, d] in half-split pairs, one pair at a time."""
    d = x.shape[-1]
    out = [None] * d
    for j in range(d // 2):
        angle = torch.tensor([[p * theta ** (-2 * j / d)] for p in positions], dtype=torch.float64)
        c, s = torch.cos(angle), torch.sin(angle)
        out[j] = x[..., j] * c - x[..., j + d // 2] * s
        out[j + d // 2] = x[..., j + d // 2] * c + x[..., j] * s
    return torch.stack(out, -1)


def attention(config, p, z, tokens, is_global):
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    d = config["hidden_size"] // heads
    theta = config["rope_theta_global"] if is_global else config["rope_theta_within_seq"]
    positions = [t[2] if is_global else t[1] for t in tokens]
    clip = config["clip_qkv"] or math.inf
    q, k, v = (
        (z @ p[f"{name}_proj.weight"].T).clamp(-clip, clip).reshape(len(tokens), -1, d) for name in ("q", "k", "v")
    )
    q, k = turn(q, positions, theta), turn(k, positions, theta)
    hidden = torch.tensor([[not (b[3] == a[3] or (is_global and b[3] < a[3])) for b in tokens] for a in tokens])
    parts = []
    for h in range(heads):
        g = h // (heads // kv_heads)
        scores = (q[:, h] @ k[:, g].T / math.sqrt(d)).masked_fill(hidden, -math.inf)
        parts.append(torch.softmax(scores, -1) @ v[:, g])
    return torch.cat(parts, -1) @ p["o_proj.weight"].T


def activation(name, x):
    return x * torch.sigmoid(x) if name == "silu" else 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def feed_forward(config, p, z):
    inner = activation(config["hidden_act"], z @ p["w1.weight"].T)
    return (inner * (z @ p["w3.weight"].T) if config["gated_mlp"] else inner) @ p["w2.weight"].T


def sub(parameters, prefix):
    return {name[len(prefix) :]: value for name, value in parameters.items() if name.startswith(prefix)}


def forward(config, parameters, row, remove_x=False):
    """`config` a dict, `parameters` float64 by state-dict name: hidden states of all layers and logits of a row."""
    p, eps, tokens = parameters, config["rms_norm_eps"], tokens_of(row, remove_x)
    x = (
        p["model.embed_tokens.weight"][[t[0] for t in tokens]]
        + p["model.embed_seq_id.weight"][[t[3] for t in tokens]]
    )
    states = [x]
    every = config["global_attention_every_n_layers"]
    for i in range(config["num_hidden_layers"]):
        layer = sub(p, f"model.layers.{i}.")
        attn = sub(layer, "norm_attn_norm.")
        is_global = every > 0 and (i + 1) % every == 0
        z = rms(x, attn["input_layernorm.weight"], eps)
        x = x + attention(config, sub(attn, "self_attn."), z, tokens, is_global)
        x = x + feed_forward(config, sub(layer, "ffn.mlp."), rms(x, attn["post_attention_layernorm.weight"], eps))
        states.append(x)
    states[-1] = rms(x, p["model.norm.weight"], eps)
    return states, head(p, states[-1], eps)


def head(p, y, eps):
    u = activation("gelu", y @ p["mlm_head.0.weight"].T + p["mlm_head.0.bias"])
    u = u - u.mean(-1, keepdim=True)
    u = u / torch.sqrt((u * u).mean(-1, keepdim=True) + eps)
    u = u * p["mlm_head.2.weight"] + p["mlm_head.2.bias"]
    return u @ p["mlm_head.3.weight"].T + p["mlm_head.3.bias"]


def loss(logits, labels):
    """Cross-entropy at labels other than 0, as a mean."""
    terms = [torch.logsumexp(z, 0) - z[t] for z, t in zip(logits, labels, strict=True) if t != 0]
    return sum(terms) / max(1, len(terms))
