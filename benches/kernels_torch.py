"""PyTorch's side of benches/kernels.rs: reads an operation a line, answers with the seconds of one call in each memory layout."""
import sys
import time

import torch
import torch.nn.functional as F

torch.set_num_threads(int(sys.argv[1]))
LAYOUTS = (torch.contiguous_format, torch.channels_last)


def prepare(kind, n, layout):
    """One call of the operation, or None where the layout makes no difference and was measured before."""
    picture = lambda *shape: torch.randn(*shape).to(memory_format=layout)
    if kind in ("conv", "down", "point"):
        batch, cin, cout, side = n
        kernel, stride, padding = {"conv": (3, 1, 1), "down": (3, 2, 0), "point": (1, 1, 0)}[kind]
        x, weight, bias = picture(batch, cin, side, side), picture(cout, cin, kernel, kernel), torch.randn(cout)
        if kind == "down":
            return lambda: F.conv2d(F.pad(x, (0, 1, 0, 1)), weight, bias, stride, padding)
        return lambda: F.conv2d(x, weight, bias, stride, padding)
    if kind == "norm":
        batch, channels, groups, side = n
        x, gamma, beta = picture(batch, channels, side, side), torch.randn(channels), torch.randn(channels)
        return lambda: F.silu(F.group_norm(x, groups, gamma, beta, 1e-5))
    if kind == "enlarge":
        channels, side = n
        x, weight, bias = picture(1, channels, side, side), picture(channels, channels, 3, 3), torch.randn(channels)
        return lambda: F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), weight, bias, 1, 1)
    if layout != LAYOUTS[0]:
        return None
    if kind == "linear":
        rows, inputs, outputs = n
        x, weight, bias = torch.randn(rows, inputs), torch.randn(outputs, inputs), torch.randn(outputs)
        return lambda: F.linear(x, weight, bias)
    if kind == "attention":
        batch, heads, queries, keys, d = n
        q, k, v = (torch.randn(batch, length, heads * d) for length in (queries, keys, keys))
        split = lambda t: t.view(batch, -1, heads, d).transpose(1, 2)
        return lambda: F.scaled_dot_product_attention(split(q), split(k), split(v)).transpose(1, 2).reshape(batch, queries, heads * d)
    if kind == "layer":
        rows, channels = n
        x, gamma, beta = torch.randn(rows, channels), torch.randn(channels), torch.randn(channels)
        return lambda: F.layer_norm(F.silu(x), (channels,), gamma, beta, 1e-5)
    return None


def repeat(call, seconds):
    began, calls = time.perf_counter(), 0
    while calls < 3 or time.perf_counter() - began < seconds:
        call()
        calls += 1
    return (time.perf_counter() - began) / calls


def seconds(call):
    # As in a network: after a rest the first calls find threads asleep and cold caches.
    repeat(call, 0.03)
    return repeat(call, 0.03)


print("ready", flush=True)
prepared = {}
with torch.inference_mode():
    for line in sys.stdin:
        if line not in prepared:
            kind, *n = line.split()
            calls = [prepare(kind, [int(v) for v in n], layout) for layout in LAYOUTS]
            prepared = {line: [call for call in calls if call]}
        print(*(seconds(call) for call in prepared[line]), flush=True)
