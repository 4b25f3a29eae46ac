"""The tiny pipeline of pipeline_golden.py with one and with three LoRAs, text to pixels, by diffusers and peft.

    python tests/reference/lora_golden.py [--seed 0] [--rank 2] [--side 64] [--out tests/reference/golden]
"""
import argparse
import json
import re
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file
from stable_diffusion import opened

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--rank", type=int, default=2)
parser.add_argument("--side", type=int, default=64)
parser.add_argument("--out", type=Path, default=Path(__file__).parent / "golden")
args = parser.parse_args()
torch.manual_seed(args.seed)
folder = args.out / "lora"
folder.mkdir(exist_ok=True)


def pipeline():
    return opened(args.out / "tiny_sd")


base = pipeline()


def layers(model, pattern):
    kinds = (torch.nn.Linear, torch.nn.Conv2d)
    return {n: m for n, m in model.named_modules() if isinstance(m, kinds) and re.search(pattern, n)}


def matrices(module, rank):
    w = module.weight
    down = torch.randn(rank, *w.shape[1:]) * w[0].numel() ** -0.5
    up = torch.randn(w.shape[0], rank, *([1, 1] if w.dim() == 4 else [])) * rank ** -0.5
    return down, up


def kohya(name, parts, alpha):
    tensors = {}
    for prefix, model, pattern in parts:
        for path, module in layers(model, pattern).items():
            down, up = matrices(module, args.rank)
            flat = f"{prefix}_{path.replace('.', '_')}"
            tensors |= {f"{flat}.lora_down.weight": down, f"{flat}.lora_up.weight": up,
                        f"{flat}.alpha": torch.tensor(float(alpha))}
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / f"{name}.safetensors", metadata={"format": "pt"})


def peft(name, parts, rank, suffixes=("lora_A", "lora_B"), half=False):
    tensors = {}
    for prefix, model, pattern in parts:
        for path, module in layers(model, pattern).items():
            down, up = matrices(module, rank)
            tensors |= {f"{prefix}.{path}.{suffixes[0]}.weight": down, f"{prefix}.{path}.{suffixes[1]}.weight": up}
    save_file({k: (v.half() if half else v).contiguous() for k, v in tensors.items()}, folder / f"{name}.safetensors")


unet, text = base.unet, base.text_encoder
# Trainers name the inner model of the text encoder, which the newest transformers no longer has.
inner = "" if hasattr(text, "text_model") else "text_model"
words = r"self_attn\.(q|k|v|out)_proj$"
kohya("kohya_words", [("lora_unet", unet, r"attn[12]\.(to_[qkv]|to_out\.0)$"),
                      ("_".join(filter(None, ["lora_te", inner])), text, words)], alpha=1.5)
kohya("kohya_conv", [("lora_unet", unet, r"(conv1|conv2|proj_in|net\.2)$")], alpha=args.rank)
peft("peft", [("unet", unet, r"(to_q|to_v|proj_out|ff\.net\.0\.proj)$"),
              (".".join(filter(None, ["text_encoder", inner])), text, r"(fc1|q_proj)$")], args.rank + 1, half=True)

CASES = [("one", {"kohya_words": 0.8}), ("conv", {"kohya_conv": 0.6}), ("peft", {"peft": -0.7}),
         ("three", {"kohya_words": 0.5, "kohya_conv": 0.4, "peft": 0.6}), ("none", {})]
cases = []
for name, adapters in CASES:
    pipe = pipeline()
    for adapter in adapters:
        pipe.load_lora_weights(folder / f"{adapter}.safetensors", adapter_name=adapter)
    if adapters:
        pipe.set_adapters(list(adapters), list(adapters.values()))
    seed, steps, cfg = 3 + args.seed, 4, 3.0
    picture = pipe("a calm fox", negative_prompt="blue", num_inference_steps=steps, guidance_scale=cfg, height=args.side,
                   width=args.side, generator=torch.Generator("cpu").manual_seed(seed), output_type="np").images[0]
    Image.fromarray((picture * 255).round().astype("uint8")).save(folder / f"{name}.png")
    cases.append({"name": name, "adapters": list(adapters.items()), "seed": seed, "steps": steps, "cfg_scale": cfg,
                  "side": args.side, "prompt": "a calm fox", "negative_prompt": "blue", "sampler": "ddim"})
(folder / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")
print("written")
