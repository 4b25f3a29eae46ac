"""A tiny decoder with random weights in both layouts, and what diffusers' AutoencoderTiny decodes with it.

    python tests/reference/previews_golden.py [--seed 0] [--width 4] [--out tests/reference/golden/previews]

The original layout (TAESD, github.com/madebyollin/taesd) is an nn.Sequential whose numbers are its keys. It is built here by
itself and has to make the same picture as diffusers.
"""
import argparse
from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from safetensors.torch import save_file
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--width", type=int, default=4)
parser.add_argument("--out", type=Path, default=Path(__file__).parent / "golden/previews")
args = parser.parse_args()
torch.manual_seed(args.seed)
args.out.mkdir(parents=True, exist_ok=True)

model = AutoencoderTiny(encoder_block_out_channels=(args.width,) * 4, decoder_block_out_channels=(args.width,) * 4)
for p in model.parameters():
    with torch.no_grad():
        p.normal_(0, p[0].numel() ** -0.5 if p.dim() > 1 else 0.1)
model.eval().save_pretrained(args.out / "folder")


class Clamp(nn.Module):
    def forward(self, x):
        return torch.tanh(x / 3) * 3


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        conv = lambda: nn.Conv2d(width, width, 3, padding=1)
        self.conv = nn.Sequential(conv(), nn.ReLU(), conv(), nn.ReLU(), conv())

    def forward(self, x):
        return torch.relu(self.conv(x) + x)


def original(latent, width, blocks=(3, 3, 3, 1)):
    layers = [Clamp(), nn.Conv2d(latent, width, 3, padding=1), nn.ReLU()]
    for level, count in enumerate(blocks):
        layers += [Block(width) for _ in range(count)]
        if level + 1 < len(blocks):
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1, bias=False)]
    return nn.Sequential(*layers, nn.Conv2d(width, 3, 3, padding=1))


theirs = {k.removeprefix("decoder.layers."): v for k, v in model.state_dict().items() if k.startswith("decoder.")}
sequence = original(4, args.width)
state = {f"{int(k.split('.')[0]) + 1}.{k.split('.', 1)[1]}": v for k, v in theirs.items()}
sequence.load_state_dict(state, strict=True)
z = torch.randn(1, 4, 5, 3) * 2
with torch.no_grad():
    picture = model.decode(z).sample
    off = (sequence(z) * 2 - 1 - picture).abs().max().item()
print("the original layout is off by", off, "of", picture.abs().max().item())
assert off < 1e-5
save_file({k: v.contiguous() for k, v in state.items()}, args.out / "taesd_decoder.safetensors")
save_file({"z": z, "picture": picture.contiguous()}, args.out / "decoded.safetensors")
