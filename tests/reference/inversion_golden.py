"""Learnt words (textual inversion) in the tiny pipeline of pipeline_golden.py, and one step of learning one, by diffusers and torch.

    python tests/reference/inversion_golden.py [--seed 0] [--side 64] [--out tests/reference/golden]
"""
import argparse
import json
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file
from stable_diffusion import opened

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--side", type=int, default=64)
parser.add_argument("--out", type=Path, default=Path(__file__).parent / "golden")
args = parser.parse_args()
torch.manual_seed(args.seed)
folder = args.out / "inversion"
folder.mkdir(exist_ok=True)


def pipeline():
    return opened(args.out / "tiny_sd")


pipe = pipeline()
width = pipe.text_encoder.config.hidden_size
# One vector, and a word that stands for two; loud, so that a picture without them is another one.
save_file({"<ink>": torch.randn(1, width)}, folder / "ink.safetensors", metadata={"format": "pt"})
save_file({"two-fold": torch.randn(2, width)}, folder / "two.safetensors", metadata={"format": "pt"})
cases = []
for name, files, prompt in [("one", ["ink"], "a calm <ink>"), ("both", ["ink", "two"], "two-fold fox, <ink> waves"),
                            ("none", [], "a calm fox")]:
    pipe = pipeline()
    for file in files:
        pipe.load_textual_inversion(folder / f"{file}.safetensors")
    seed, steps, cfg = 5 + args.seed, 4, 3.0
    picture = pipe(prompt, negative_prompt="blue", num_inference_steps=steps, guidance_scale=cfg, height=args.side,
                   width=args.side, generator=torch.Generator("cpu").manual_seed(seed), output_type="np").images[0]
    Image.fromarray((picture * 255).round().astype("uint8")).save(folder / f"{name}.png")
    cases.append({"name": name, "files": files, "seed": seed, "steps": steps, "cfg_scale": cfg, "side": args.side,
                  "prompt": prompt, "negative_prompt": "blue", "sampler": "ddim"})
(folder / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")

# One step: the loss of two pictures whose captions name the word, its gradient, and what AdamW makes of it.
pipe = pipeline()
tokenizer, text, unet = pipe.tokenizer, pipe.text_encoder, pipe.unet
tokenizer.add_tokens("<ink>")
text.resize_token_embeddings(len(tokenizer), mean_resizing=False)
captions, times, side = ["a <ink>", "blue waves with <ink>"], [300, 700], 8
first = text.get_input_embeddings().weight[tokenizer.convert_tokens_to_ids("fox</w>")].detach().clone()
vector = first.clone().requires_grad_(True)
table = text.get_input_embeddings().weight.detach()
for p in [*text.parameters(), *unet.parameters()]:
    p.requires_grad_(False)
clean, noise = torch.randn(2, 4, side, side), torch.randn(2, 4, side, side)
ids = torch.tensor(tokenizer(captions, padding="max_length", max_length=24, truncation=True).input_ids)
assert (ids == len(tokenizer) - 1).sum() == 2
# The row of the word is the only one that learns.
words = torch.nn.functional.embedding(ids, torch.cat([table[:-1], vector[None]]))
text.get_input_embeddings().register_forward_hook(lambda *_: words)
hidden = text(ids)[0]
alphas = pipe.scheduler.alphas_cumprod[times][:, None, None, None]
noisy = alphas.sqrt() * clean + (1 - alphas).sqrt() * noise
answer = unet(noisy, torch.tensor(times), hidden).sample
snr = alphas / (1 - alphas)
loss = ((answer - noise) ** 2 * snr.clamp(max=5.0) / snr).mean()
loss.backward()
gradient = vector.grad.clone()
optimizer = torch.optim.AdamW([vector], lr=0.01, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.0)
torch.nn.utils.clip_grad_norm_([vector], 1.0)
optimizer.step()
nhwc = lambda x: x.permute(0, 2, 3, 1).contiguous()
save_file({"first": first, "clean": nhwc(clean), "noise": nhwc(noise), "loss": loss.detach()[None], "gradient": gradient,
           "after": vector.detach()}, folder / "step.safetensors")
(folder / "step.json").write_text(json.dumps({"captions": captions, "times": times, "learning_rate": 0.01}) + "\n")
print("written", float(loss.detach()), float(gradient.norm()))
