"""Enlarging a latent between two passes: torch's interpolate, and whole pictures by diffusers on the tiny pipeline.

    python tests/reference/enlarge_golden.py [--seed 0] [--out tests/reference/golden]

Reads tiny_sd of pipeline_golden.py. A picture is a text-to-image latent, enlarged, and image-to-image from there.
"""
import argparse
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionImg2ImgPipeline, StableDiffusionPipeline
from PIL import Image
from torch.nn.functional import interpolate

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", type=Path, default=Path(__file__).parent / "golden")
args = parser.parse_args()
torch.manual_seed(args.seed)
folder = args.out / "enlarge"
folder.mkdir(parents=True, exist_ok=True)
MODES = {"latent_nearest": "nearest", "latent_bilinear": "bilinear", "latent_bicubic": "bicubic"}

cases = []
for upscaler, mode in MODES.items():
    for (w, h), (wide, high), c in [((5, 4), (10, 8), 2), ((7, 3), (11, 8), 1), ((4, 6), (4, 13), 3), ((1, 2), (5, 2), 1)]:
        latent = torch.randn(1, c, h, w)
        large = interpolate(latent, size=(high, wide), mode=mode)
        flat = lambda t: [round(v, 6) for v in t[0].permute(1, 2, 0).flatten().tolist()]
        cases.append({"upscaler": upscaler, "from": [w, h], "to": [wide, high], "channels": c, "latent": flat(latent),
                      "enlarged": flat(large)})
(folder / "interpolate.json").write_text(json.dumps(cases))

pipe = StableDiffusionPipeline.from_pretrained(args.out / "tiny_sd", safety_checker=None, feature_extractor=None,
                                               requires_safety_checker=False)
parts = dict(pipe.components) | {"scheduler": EulerDiscreteScheduler.from_config(pipe.scheduler.config)}
parts.pop("image_encoder", None)
first = StableDiffusionPipeline(**parts, requires_safety_checker=False)
second = StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
told = {"prompt": "a calm fox", "negative_prompt": "blue", "guidance_scale": 3.0, "num_inference_steps": 5}
for pipeline in (first, second):
    pipeline.set_progress_bar_config(disable=True)
for upscaler, mode in MODES.items():
    latent = first(**told, width=64, height=64, generator=torch.Generator("cpu").manual_seed(31), output_type="latent").images
    large = interpolate(latent, size=(24, 20), mode=mode)
    made = second(**told, image=large, strength=0.6, generator=torch.Generator("cpu").manual_seed(31), output_type="np")
    picture = (made.images[0] * 255).round().astype(np.uint8)
    Image.fromarray(picture).save(folder / f"{upscaler}.png")
    print(upscaler, picture.shape, picture.min(), picture.max())
