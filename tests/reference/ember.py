"""Draws with a Kiln checkpoint in diffusers: the same words and seed give Kiln's picture.

    python tests/reference/ember.py models/ember "a red fox in front of misty blue mountains" 7 fox.png
"""
import json
import re
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, UNet2DConditionModel, UniPCMultistepScheduler
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTokenizer


COUNTS = ("two", "three", "four", "five", "six", "several")
HEARD = 64


def split(text):
    return re.findall(r"[^\W_]+", text.lower())


def places(text, phrase):
    """Where in a list of words a phrase stands."""
    phrase = split(phrase)
    return [range(i, i + len(phrase)) for i in range(len(text) - len(phrase) + 1) if text[i:i + len(phrase)] == phrase]


def namings(text, family):
    """Where one of a family's names stands for the family, not for things that are counted."""
    counted = lambda i: any(w in COUNTS or w.isdigit() for w in text[max(i - 2, 0):i])
    return [place for name in family.get("words", []) for place in places(text, name) if not counted(place.start)]


def meant(kiln, prompt, sliders):
    """Families that words name are set, families that are set are named: see src/pipeline/mix.rs."""
    text = split(prompt)[:HEARD]
    families = [s for s in kiln["sliders"] if s["group"] == "family"]
    heard = [s for s in families if namings(text, s)]
    shares = sorted((s for s in families if sliders.get(s["name"], 0) > 0), key=lambda s: -sliders[s["name"]])
    if not shares:
        return prompt, sliders | {s["name"]: s["max"] for s in heard}
    if not heard:
        least = 0.1 * sum(sliders[s["name"]] for s in shares)
        spoken = " and ".join(s["words"][0] for s in shares[:2] if sliders[s["name"]] >= least)
        prompt = f"{spoken}, {prompt}" if prompt.strip() else spoken
    return prompt, sliders


def ground(kiln, prompt):
    """The prompt without its things, what names a family kept: see src/pipeline/mix.rs."""
    spans = [m.span() for m in re.finditer(r"[^\W_]+", prompt)][:HEARD]
    text = [prompt[a:b].lower() for a, b in spans]
    families = [s for s in kiln["sliders"] if s["group"] == "family"]
    fixed = {i for family in families for place in namings(text, family) for i in place}
    gone = {i for thing in kiln.get("things", []) for place in places(text, thing) if not fixed & set(place) for i in place}
    for i in sorted(gone, reverse=True):
        prompt = prompt[:spans[i][0]] + prompt[spans[i][1]:]
    return prompt


def class_vector(kiln, sliders):
    """Sliders as the U-Net's class labels: see src/pipeline/extras.rs."""
    shares = sum(sliders.get(s["name"], 0) for s in kiln["sliders"] if s["group"] == "family")
    out = []
    for s in kiln["sliders"]:
        value = sliders.get(s["name"])
        if s["group"] == "family":
            out.append((value or 0) / shares if shares else 0.0)
        else:
            place = None if value is None else 2 * (value - s["min"]) / (s["max"] - s["min"]) - 1
            out += [0.0, 0.0] if value is None else [s.get("reach", 1.0) * place, 1.0]
    return torch.tensor([out])


@torch.no_grad()
def draw(folder, prompt, seed, negative="", sliders={}, steps=None, cfg=None, size=None, lora=None):
    kiln = json.loads((Path(folder) / "kiln.json").read_text())
    tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer")
    text = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder", torch_dtype=torch.float32).eval()
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=torch.float32).eval()
    if lora:
        unet.load_lora_adapter(load_file(lora), prefix="unet")
    vae = AutoencoderKL.from_pretrained(folder, subfolder="vae", torch_dtype=torch.float32).eval()
    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(folder, subfolder="scheduler")
    if kiln["sampler"] == "unipc":
        scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=scheduler.config.shift)
    length = text.config.max_position_embeddings
    prompt, sliders = meant(kiln, prompt, sliders)
    scene = ground(kiln, prompt) + (f", {negative}" if negative.strip() else "") if kiln.get("things") else prompt
    ids = tokenizer([negative, prompt, scene], padding="max_length", max_length=length, truncation=True, return_tensors="pt").input_ids
    words = text(ids).last_hidden_state
    labels = class_vector(kiln, sliders)
    labels = torch.cat([torch.zeros_like(labels), labels, labels])
    side = (size or kiln["native_size"]) // 2 ** (len(vae.config.block_out_channels) - 1)
    x = torch.randn(1, vae.config.latent_channels, side, side, generator=torch.Generator("cpu").manual_seed(seed))
    scheduler.set_timesteps(steps or kiln["steps"])
    skip = kiln.get("skip_early_cfg", 0)
    for i, t in enumerate(scheduler.timesteps):
        # Early steps are guided away from the same scene without its things; that is from nothing where it has none.
        rows = [2, 1] if skip > 0 and i / len(scheduler.timesteps) <= skip else [0, 1]
        without, given = unet(torch.cat([x, x]), t, words[rows], class_labels=labels[rows]).sample.chunk(2)
        guided = without + (cfg or kiln["cfg_scale"]) * (given - without)
        x = scheduler.step(guided, t, x).prev_sample
    picture = vae.decode(x / vae.config.scaling_factor + (vae.config.shift_factor or 0.0)).sample
    return ((picture / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)[0].permute(1, 2, 0).numpy()


if __name__ == "__main__":
    from PIL import Image
    folder, prompt, seed, out = sys.argv[1:5]
    Image.fromarray(draw(folder, prompt, int(seed))).save(out)
