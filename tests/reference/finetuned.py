"""Whether diffusers draws the picture that Kiln drew with an adapter or a learnt word of `kiln finetune`.

    kiln finetune --images FOLDER --out style.safetensors --model MODEL
    kiln generate --prompt "stained glass" --seed 7 --lora style.safetensors --model MODEL --out pictures
    python tests/reference/finetuned.py MODEL style.safetensors pictures/...png

    kiln finetune --images FOLDER --word "<fox>" --initial fox --out fox.safetensors --model MODEL
    kiln generate --prompt "a <fox>" --seed 7 --sampler ddim --embedding fox.safetensors --model MODEL --out pictures
    python tests/reference/finetuned.py MODEL fox.safetensors pictures/...png

A checkpoint with kiln.json (Ember) goes through its parts, any other through `StableDiffusionPipeline.load_lora_weights`. What
Kiln drew is read from the picture's own Recipe (sampler ddim, or euler for a flow). Fails when a pixel is off by more than 2.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ember import draw
from stable_diffusion import opened


def stable_diffusion(folder, recipe, lora):
    pipe = opened(folder)
    if recipe.get("embeddings"):
        pipe.load_textual_inversion(lora)
    else:
        pipe.load_lora_weights(lora)
    assert recipe["sampler"] == "ddim", "draw with --sampler ddim to compare"
    picture = pipe(recipe["prompt"], negative_prompt=recipe["negative_prompt"], num_inference_steps=recipe["steps"],
                   guidance_scale=recipe["cfg_scale"], height=recipe["height"], width=recipe["width"],
                   generator=torch.Generator("cpu").manual_seed(recipe["seed"]), output_type="np").images[0]
    return (picture * 255).round().astype("uint8")


folder, lora, path = map(Path, sys.argv[1:4])
ours = Image.open(path)
recipe = json.loads(ours.text["kiln"])
recipe = recipe.get("recipe", recipe)
if (folder / "kiln.json").is_file():
    theirs = draw(folder, recipe["prompt"], recipe["seed"], recipe["negative_prompt"], recipe["sliders"],
                  recipe["steps"], recipe["cfg_scale"], recipe["width"], lora)
else:
    theirs = stable_diffusion(folder, recipe, lora)
off = np.abs(np.asarray(ours.convert("RGB")).astype(int) - np.asarray(theirs).astype(int))
print(f"largest difference {off.max()} of 255, mean {off.mean():.4f}")
sys.exit(0 if off.max() <= 2 else 1)
