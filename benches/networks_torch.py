"""PyTorch's side of benches/networks.rs: reads "f32" or "bf16" a line, answers with the seconds in each memory layout."""
import json
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

name, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
BATCH = 16
if name == "sd15":
    unet = UNet2DConditionModel(
        sample_size=64, in_channels=4, out_channels=4, block_out_channels=(320, 640, 1280, 1280), layers_per_block=2,
        cross_attention_dim=768, attention_head_dim=8).eval()
else:
    config = json.loads((Path(__file__).parent.parent / "models/ember/unet/config.json").read_text())
    unet = UNet2DConditionModel.from_config(config).train()
    optimizer = torch.optim.AdamW(unet.parameters(), lr=1e-4, fused=True)


def step(layout):
    with torch.inference_mode():
        latent = torch.randn(2, 4, 64, 64).to(memory_format=layout)
        words = torch.randn(2, 77, 768)
        began = time.perf_counter()
        unet(latent, 500, words)
        return time.perf_counter() - began


def train(layout):
    channels, side = unet.config.in_channels, unet.config.sample_size
    began = time.perf_counter()
    latent = torch.randn(BATCH, channels, side, side).to(memory_format=layout)
    words = torch.randn(BATCH, 32, unet.config.cross_attention_dim)
    labels = torch.randn(BATCH, unet.config.projection_class_embeddings_input_dim)
    out = unet(latent, torch.full((BATCH,), 500.0), words, class_labels=labels).sample
    (out.float() - torch.randn_like(latent)).square().mean().backward()
    torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return time.perf_counter() - began


print("ready", flush=True)
for line in sys.stdin:
    seconds = []
    for layout in (torch.contiguous_format, torch.channels_last):
        unet.to(memory_format=layout)
        with torch.autocast("cpu", torch.bfloat16) if line.strip() == "bf16" else nullcontext():
            seconds.append((step if name == "sd15" else train)(layout))
    print(*seconds, flush=True)
