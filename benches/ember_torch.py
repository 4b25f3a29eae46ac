"""Ember in PyTorch for benches/ember.rs: reads "LAYOUT STEPS SIDE" lines, answers each with the seconds of one picture.

    ember_torch.py MODEL THREADS [LAYOUT]    # contiguous or channels_last; both if absent
"""
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests/reference"))
import json

from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, UNet2DConditionModel
from ember import class_vector
from transformers import CLIPTextModel, CLIPTokenizer

folder, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
kiln = json.loads((Path(folder) / "kiln.json").read_text())
tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer")
text = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder", torch_dtype=torch.float32).eval()
scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(folder, subfolder="scheduler")
labels = class_vector(kiln, {})
labels = torch.cat([torch.zeros_like(labels), labels])
ids = tokenizer(["", "a red fox in front of misty blue mountains, calm"], padding="max_length", truncation=True,
                max_length=text.config.max_position_embeddings, return_tensors="pt").input_ids


def load(memory_format):
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=torch.float32).eval()
    vae = AutoencoderKL.from_pretrained(folder, subfolder="vae", torch_dtype=torch.float32).eval()
    return unet.to(memory_format=memory_format), vae.to(memory_format=memory_format), memory_format


layouts = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
layouts = {name: load(layout) for name, layout in layouts.items() if name in (sys.argv[3:] or layouts)}
print(*layouts, flush=True)

with torch.inference_mode():
    words = text(ids).last_hidden_state  # Kiln caches them as well
    for seed, line in enumerate(sys.stdin):
        name, steps, side = line.split()
        unet, vae, memory_format = layouts[name]
        began = time.perf_counter()
        side = int(side) // 2 ** (len(vae.config.block_out_channels) - 1)
        x = torch.randn(1, vae.config.latent_channels, side, side, generator=torch.Generator("cpu").manual_seed(seed))
        scheduler.set_timesteps(int(steps))
        for t in scheduler.timesteps:
            pair = torch.cat([x, x]).to(memory_format=memory_format)
            without, given = unet(pair, t, words, class_labels=labels).sample.chunk(2)
            x = scheduler.step(without + kiln["cfg_scale"] * (given - without), t, x).prev_sample
        z = x / vae.config.scaling_factor + (vae.config.shift_factor or 0.0)
        picture = vae.decode(z.to(memory_format=memory_format)).sample
        ((picture / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        print(time.perf_counter() - began, flush=True)
