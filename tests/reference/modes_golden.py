"""Image-to-image, inpainting and weighted prompts by diffusers, on the tiny pipeline of pipeline_golden.py.

    python tests/reference/modes_golden.py [--seed 0] [--side 64] [--out tests/reference/golden]

Also makes a denoiser of the nine-channel inpainting kind with random weights; the rest of that checkpoint is tiny_sd.
"""
import argparse
import copy
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import (DDIMScheduler, EulerDiscreteScheduler, StableDiffusionImg2ImgPipeline,
                       StableDiffusionInpaintPipeline, StableDiffusionPipeline, UNet2DConditionModel)
from PIL import Image

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--side", type=int, default=64, help="side of the pictures, a multiple of 8")
parser.add_argument("--out", type=Path, default=Path(__file__).parent / "golden")
args = parser.parse_args()
torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)
side, folder = args.side, args.out / "modes"
folder.mkdir(parents=True, exist_ok=True)

pipe = StableDiffusionPipeline.from_pretrained(args.out / "tiny_sd", safety_checker=None, feature_extractor=None,
                                               requires_safety_checker=False)
unet9 = UNet2DConditionModel.from_config(pipe.unet.config, in_channels=9)
for name, p in unet9.named_parameters():
    with torch.no_grad():
        if p.dim() > 1:
            p.normal_(0, p[0].numel() ** -0.5)
        else:
            p.normal_(1.0 if "norm" in name and name.endswith("weight") else 0.0, 0.1)
unet9.eval().save_pretrained(folder / "unet9")

# A soft source and a mask with an odd outline, so that nearest-neighbour scaling of the mask matters.
y, x = np.mgrid[0:side, 0:side] / side
phase = rng.uniform(0, 6, 3)
source = np.stack([127 + 120 * np.sin(7 * x + 5 * y * (k + 1) + phase[k]) for k in range(3)], -1).astype(np.uint8)
mask = np.where((x - 0.55) ** 2 + (y - 0.45) ** 2 < 0.09, 255, 0).astype(np.uint8)
source, mask = Image.fromarray(source), Image.fromarray(mask)
source.save(folder / "source.png")
mask.save(folder / "mask.png")

SCHEDULERS = {"ddim": DDIMScheduler, "euler": EulerDiscreteScheduler}
cases = []


def run(kind, unet, name, sampler, steps, cfg, seed, **more):
    parts = dict(pipe.components) | {"unet": unet, "scheduler": SCHEDULERS[sampler].from_config(pipe.scheduler.config)}
    parts.pop("image_encoder", None)
    it = kind(**parts, requires_safety_checker=False)
    it.set_progress_bar_config(disable=True)
    extra = {} if kind is StableDiffusionImg2ImgPipeline else {"height": side, "width": side}
    made = it(num_inference_steps=steps, guidance_scale=cfg, generator=torch.Generator("cpu").manual_seed(seed),
              output_type="np", **extra, **more).images[0]
    Image.fromarray((made * 255).round().astype(np.uint8)).save(folder / f"{name}.png")
    return {"name": name, "sampler": sampler, "steps": steps, "cfg_scale": cfg, "seed": seed, "side": side}


words = {"prompt": "a calm fox", "negative_prompt": "blue"}
for name, sampler, steps, strength in [("img2img_ddim", "ddim", 5, 0.6), ("img2img_euler", "euler", 10, 0.7),
                                       ("img2img_full", "euler", 4, 1.0)]:
    case = run(StableDiffusionImg2ImgPipeline, pipe.unet, name, sampler, steps, 3.0, 11, image=source,
               strength=strength, **words)
    cases.append(case | words | {"unet": "tiny_sd", "strength": strength, "mask": False})
for name, unet, sampler, steps, strength in [
        ("inpaint_ddim", "tiny_sd", "ddim", 6, 0.67), ("inpaint_euler", "tiny_sd", "euler", 5, 1.0),
        ("inpaint9_ddim", "unet9", "ddim", 5, 1.0), ("inpaint9_euler", "unet9", "euler", 6, 0.75)]:
    case = run(StableDiffusionInpaintPipeline, pipe.unet if unet == "tiny_sd" else unet9, name, sampler, steps, 3.0, 12,
               image=source, mask_image=mask, strength=strength, **words)
    cases.append(case | words | {"unet": unet, "strength": strength, "mask": True})


@torch.no_grad()
def encode(chunks, clip_skip=1):
    """Chunks of (word, weight) as the field encodes them: framed, weighted, the chunk's mean restored, laid end to end."""
    tokenizer, text = pipe.tokenizer, pipe.text_encoder
    length, out = tokenizer.model_max_length, []
    for chunk in chunks:
        ids, weights = [tokenizer.bos_token_id], [1.0]
        for word, weight in chunk:
            made = tokenizer(word, add_special_tokens=False).input_ids
            ids, weights = ids + made, weights + [weight] * len(made)
        room = length - len(ids)
        assert room >= 1
        ids = ids + [tokenizer.eos_token_id] + [tokenizer.pad_token_id] * (room - 1)
        weights = torch.tensor(weights + [1.0] * room)
        z = text(torch.tensor([ids]), output_hidden_states=True).hidden_states[-clip_skip]
        final = text.text_model.final_layer_norm if hasattr(text, "text_model") else text.final_layer_norm
        z = final(z)
        weighted = z * weights[None, :, None]
        out.append(weighted * (z.mean() / weighted.mean()))
    return torch.cat(out, 1)


empty = encode([[]])
for name, prompt, chunks, skip in [
        ("words_weighted", "a (calm:1.5) [fox] ((under:0.8) (blue))",
         [[("a", 1), ("calm", 1.5), ("fox", 1 / 1.1), ("under", 0.88), ("blue", 1.21)]], 1),
        ("words_break", "a calm fox BREAK (marbling:1.3) waves",
         [[("a calm fox", 1)], [("marbling", 1.3), ("waves", 1)]], 1),
        ("words_long", "misty mountains under the sunset and " * 4 + "(fox:0.7)",
         [[("misty mountains under the sunset and " * 3 + "misty mountains under the", 1)],
          [("sunset and", 1), ("fox", 0.7)]], 1),
        ("words_skip", "a calm fox", [[("a calm fox", 1)]], 2)]:
    given = encode(chunks, skip)
    negative = torch.cat([encode([[]], skip)] * len(chunks), 1)
    case = run(StableDiffusionPipeline, pipe.unet, name, "ddim", 4, 3.0, 13, prompt_embeds=given,
               negative_prompt_embeds=negative)
    cases.append(case | {"prompt": prompt, "negative_prompt": "", "unet": "tiny_sd", "clip_skip": skip, "mask": False})


def slerp(share, a, b):
    """Between two noises `[c, h, w]` as AUTOMATIC1111 goes from the seed's to the sub-seed's: column by column."""
    cosine = (a / a.norm(dim=1, keepdim=True) * b / b.norm(dim=1, keepdim=True)).sum(1)
    omega = torch.acos(cosine)
    so = torch.sin(omega)
    return (torch.sin((1 - share) * omega) / so)[:, None] * a + (torch.sin(share * omega) / so)[:, None] * b


cases.append(run(StableDiffusionPipeline, pipe.unet, "rescale", "ddim", 4, 6.0, 14, guidance_rescale=0.7, **words)
             | words | {"unet": "tiny_sd", "cfg_rescale": 0.7, "mask": False})


def unguided(module, calls):
    """The same network, which tells guidance in its first calls that words make no difference."""
    module = copy.deepcopy(module)
    forward, made = module.forward, []

    def early(*given, **more):
        made.append(forward(*given, **more))
        answer = made[-1][0]
        return (torch.cat([answer.chunk(2)[1]] * 2) if len(made) <= calls else answer,)

    module.forward = early
    return module


# Of six steps 0 and 1 are at most 0.2 of the way.
cases.append(run(StableDiffusionPipeline, unguided(pipe.unet, 2), "early", "ddim", 6, 5.0, 17, **words)
             | words | {"unet": "tiny_sd", "skip_early_cfg": 0.2, "mask": False})
noises = [torch.randn(4, side // 4, side // 4, generator=torch.Generator("cpu").manual_seed(s)) for s in (15, 99)]
cases.append(run(StableDiffusionPipeline, pipe.unet, "variation", "ddim", 4, 3.0, 15, latents=slerp(0.3, *noises)[None], **words)
             | words | {"unet": "tiny_sd", "subseed": 99, "subseed_strength": 0.3, "mask": False})


def seamless(module):
    """The same network, whose convolutions see the opposite edge beyond an edge, as AUTOMATIC1111's tiling does."""
    module = copy.deepcopy(module)
    for layer in module.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.padding_mode = "circular"
    return module


plain_vae = pipe.vae
pipe.vae = seamless(pipe.vae)
cases.append(run(StableDiffusionPipeline, seamless(pipe.unet), "seamless", "ddim", 4, 3.0, 16, **words)
             | words | {"unet": "tiny_sd", "seamless": True, "mask": False})
pipe.vae = plain_vae
(folder / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")
print("written")
