"""Two whole tiny pipelines with random weights, text to pixels, by diffusers.

    KILN_UPDATE_GOLDEN=1 cargo test --release --test pipeline_golden tokenizer   # writes the tokenizer
    python tests/reference/pipeline_golden.py [--seed 0] [--out tests/reference/golden]
"""
import argparse
import json
import shutil
from pathlib import Path

import torch
from diffusers import (AutoencoderKL, DDIMScheduler, FlowMatchEulerDiscreteScheduler, StableDiffusionPipeline,
                       UNet2DConditionModel)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from ember import draw

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", type=Path, default=Path(__file__).parent / "golden")
args = parser.parse_args()
torch.manual_seed(args.seed)
tokens = args.out / "tiny_pipeline" / "tokenizer"
tokenizer = CLIPTokenizer.from_pretrained(tokens)


def randomise(model, gain=1.0):
    for name, p in model.named_parameters():
        with torch.no_grad():
            if p.dim() > 1:
                p.normal_(0, gain * p[0].numel() ** -0.5)
            else:
                p.normal_(1.0 if "norm" in name and name.endswith("weight") else 0.0, 0.1)
    return model.eval()


def text_encoder(length):
    return randomise(CLIPTextModel(CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=length, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id)))


def vae(widths, latent):
    return randomise(AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * len(widths), up_block_types=["UpDecoderBlock2D"] * len(widths),
        block_out_channels=widths, layers_per_block=1, latent_channels=latent, norm_num_groups=4,
        mid_block_add_attention=latent == 4, use_quant_conv=latent == 4, use_post_quant_conv=latent == 4,
        scaling_factor=0.7))


def save(folder, parts, class_name):
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    index = {"_class_name": class_name, "_diffusers_version": "0.42.1", "tokenizer": ["transformers", "CLIPTokenizer"]}
    for name, part in parts.items():
        library = "transformers" if name == "text_encoder" else "diffusers"
        index[name] = [library, type(part).__name__]
    (folder / "model_index.json").write_text(json.dumps(index, indent=2))


SLIDERS = [{"name": n, "label": n.title(), "group": "attribute", "min": 0.0, "max": 1.0, "neutral": 0.5, "help": n}
           for n in ("warmth", "contrast", "density", "symmetry", "scale")]
FAMILIES = ("flow_field marbling watercolour stained_glass tiling mountains night_sky bauhaus topographic mosaic "
            "kaleidoscope botanical circle_packing halftone waves reaction_diffusion").split()
SLIDERS += [{"name": f"family:{n}", "label": n, "group": "family", "min": 0.0, "max": 1.0, "neutral": 0.5, "help": n}
            for n in FAMILIES]

cases = []
with torch.no_grad():
    # Ember's own shape.
    folder = args.out / "tiny_pipeline"
    unet = randomise(UNet2DConditionModel(
        sample_size=4, in_channels=6, out_channels=6, block_out_channels=[8, 16, 16], layers_per_block=1,
        down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], norm_num_groups=4, cross_attention_dim=16,
        attention_head_dim=[1, 2, 2], use_linear_projection=True, class_embed_type="projection",
        projection_class_embeddings_input_dim=26, addition_embed_type="text", addition_embed_type_num_heads=2,
        resnet_time_scale_shift="scale_shift"))
    parts = {"text_encoder": text_encoder(24), "unet": unet, "vae": vae([4, 4, 8, 8, 8], 6),
             "scheduler": FlowMatchEulerDiscreteScheduler()}
    save(folder, parts, "KilnPipeline")
    vocabulary = sorted(t[:-4] for t in tokenizer.get_vocab() if t.endswith("</w>") and t[:-4].isascii() and t[:-4].isalpha()
                        and len(t) > 5) + ["a"]
    (folder / "kiln.json").write_text(json.dumps({
        "name": "tiny", "summary": "Random weights, for tests.", "sliders": SLIDERS, "vocabulary": sorted(vocabulary),
        "native_size": 64, "steps": 4, "cfg_scale": 2.5, "sampler": "euler",
        "preview": {"matrix": [[0.3, 0, 0], [0, 0.3, 0], [0, 0, 0.3], [0.1, 0.1, 0], [0, 0.1, 0.1], [0.1, 0, 0.1]],
                    "bias": [0, 0, 0]}}, indent=1))
    for prompt, negative, seed, sliders, steps, cfg in [
            ("a red fox in front of misty blue mountains, calm", "", 7, {}, 4, 2.5),
            ("Marbling waves", "fox", 123, {"warmth": 0.9, "family:waves": 1.0, "family:mosaic": 0.5}, 3, 1.7)]:
        rgb = draw(folder, prompt, seed, negative, sliders, steps, cfg)
        cases.append({"folder": "tiny_pipeline", "prompt": prompt, "negative_prompt": negative, "seed": seed,
                      "sliders": sliders, "steps": steps, "cfg_scale": cfg, "sampler": "euler", "side": 64,
                      "rgb": rgb.flatten().tolist()})

    # The stock pipeline class.
    folder = args.out / "tiny_sd"
    unet = randomise(UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, block_out_channels=[8, 16], layers_per_block=1,
        down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"], up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"],
        norm_num_groups=4, cross_attention_dim=16, attention_head_dim=2))
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
                              set_alpha_to_one=False, steps_offset=1)
    parts = {"text_encoder": text_encoder(24), "unet": unet, "vae": vae([8, 16, 16], 4), "scheduler": scheduler}
    save(folder, parts, "StableDiffusionPipeline")
    shutil.copytree(tokens, folder / "tokenizer", dirs_exist_ok=True)
    pipe = StableDiffusionPipeline(
        vae=parts["vae"], text_encoder=parts["text_encoder"], tokenizer=tokenizer, unet=unet, scheduler=scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    image = pipe("a calm fox", negative_prompt="blue", num_inference_steps=5, guidance_scale=4.0, height=64, width=64,
                 generator=torch.Generator("cpu").manual_seed(3), output_type="np").images[0]
    cases.append({"folder": "tiny_sd", "prompt": "a calm fox", "negative_prompt": "blue", "seed": 3, "sliders": {},
                  "steps": 5, "cfg_scale": 4.0, "sampler": "ddim", "side": 64,
                  "rgb": (image * 255).round().astype(int).flatten().tolist()})
(args.out / "pipeline.json").write_text(json.dumps(cases, separators=(",", ":")))

prompts = ["", "a red fox", "A RED   Fox, in front of MISTY mountains!!", "it's the fox's 42nd mountain", "marbling-waves (calm)",
           "ünïcödé 東京 🦊", "zebra unknownword", "fox " * 50, "don't we'll they've", "tab\tnew\nline", "a.b,c;d"]
(args.out / "tokenizer.json").write_text(json.dumps(
    [{"prompt": p, "ids": tokenizer(p, padding="max_length", max_length=24, truncation=True).input_ids} for p in prompts]))
print("written")
