"""Tiny pipelines of every Stable Diffusion family with random weights, in both layouts, text to pixels, by diffusers.

    python tests/reference/families_golden.py [--seed 0] [--side 64] [--widths 32 64 128] [--layers 2] [--depth 2]
                                              [--out tests/reference/golden/families] [--keep FOLDER] [--vocabulary MERGES]

Weights are not kept: each value follows from its name and the seed (`values`, which tests/families.rs repeats), so the golden
files hold only names, shapes and pictures. The original layout is written here by going diffusers' conversion backwards, and
diffusers' own from_single_file has to make the same picture of it. --keep leaves the checkpoints themselves in a folder.
--vocabulary, CLIP's bpe_simple_vocab_16e6.txt.gz, also renews what transformers says of a few prompts with that vocabulary.
KILN_FAMILIES=FOLDER cargo test --release --test families   # tests other seeds and sizes
"""
import argparse
import gzip
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from diffusers import (AutoencoderKL, DDIMScheduler, EulerDiscreteScheduler, LCMScheduler, StableDiffusionPipeline,
                       StableDiffusionXLPipeline, UNet2DConditionModel)
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from original_layout import Layout, assemble, bare

here = Path(__file__).parent / "golden"
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--side", type=int, default=64, help="side of the pictures, a multiple of 16")
parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 128], help="of the denoisers' levels, multiples of 32")
parser.add_argument("--layers", type=int, default=2, help="residual blocks a level")
parser.add_argument("--depth", type=int, default=2, help="layers of SDXL's lowest transformers")
parser.add_argument("--out", type=Path, default=here / "families")
parser.add_argument("--keep", type=Path)
parser.add_argument("--vocabulary", type=Path)
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
tokens = here / "tiny_pipeline" / "tokenizer"
MASK = (1 << 64) - 1
TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def values(name, shape):
    """The values of a tensor: SplitMix64 from the FNV-1a hash of seed and name, uniform, spread as its place needs."""
    state = 0xcbf29ce484222325
    for byte in f"{args.seed}/{name}".encode():
        state = ((state ^ byte) * 0x100000001b3) & MASK
    n = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.uint64(state) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9e3779b97f4a7c15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
        z = z ^ (z >> np.uint64(31))
    u = (z >> np.uint64(40)).astype(np.float64) / 2.0 ** 23 - 1.0
    norm = ("norm" in name or "ln_" in name) and name.endswith("weight")
    if len(shape) > 1:
        u *= np.sqrt(3.0 * shape[0] / n)
    else:
        u = u * 0.17 + (1.0 if norm else 0.0)
    return torch.from_numpy(u.astype(np.float32).reshape(shape))


def text_config(hidden, layers, act, projection=None):
    size = len(CLIPTokenizer.from_pretrained(tokens))
    more = {"projection_dim": projection} if projection else {}
    return CLIPTextConfig(vocab_size=size, hidden_size=hidden, intermediate_size=2 * hidden, num_hidden_layers=layers,
                          num_attention_heads=max(1, hidden // 64), max_position_embeddings=24, hidden_act=act,
                          bos_token_id=size - 2, eos_token_id=size - 1, pad_token_id=size - 1, **more)


def unet(attends, context, heads, linear, depths=1, **more):
    kinds = ["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends]
    return UNet2DConditionModel(
        sample_size=args.side // 4, block_out_channels=args.widths, layers_per_block=args.layers, down_block_types=kinds,
        up_block_types=[k.replace("Down", "Up") for k in reversed(kinds)], cross_attention_dim=context,
        attention_head_dim=heads, use_linear_projection=linear, transformer_layers_per_block=depths, **more)


def vae(scale):
    widths = [32, 32, 64]
    return AutoencoderKL(down_block_types=["DownEncoderBlock2D"] * 3, up_block_types=["UpDecoderBlock2D"] * 3,
                         block_out_channels=widths, layers_per_block=1, latent_channels=4, scaling_factor=scale)


def schedule(kind, **more):
    extra = {} if kind is EulerDiscreteScheduler else {"clip_sample": False, "set_alpha_to_one": False}
    return kind(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading",
                **extra, **more)


levels = len(args.widths)
lower = [True] * (levels - 1) + [False]
wide = [max(1, w // 64) for w in args.widths]


def tokenizer(pad):
    return CLIPTokenizer.from_pretrained(tokens, pad_token=pad)


def build(family):
    """The pipeline, the type of its weights on disk, Kiln's name of its sampler."""
    end = "<|endoftext|>"
    if family in ("sd1", "lcm"):
        more = {"time_cond_proj_dim": 32} if family == "lcm" else {}
        parts = {"text_encoder": CLIPTextModel(text_config(64, 2, "quick_gelu")), "tokenizer": tokenizer(end),
                 "unet": unet(lower, 64, 8, False, **more), "vae": vae(0.18215),
                 "scheduler": schedule(LCMScheduler if more else DDIMScheduler)}
        kind, dtype, sampler = StableDiffusionPipeline, "F32", "lcm" if more else "ddim"
    elif family == "sd2":
        parts = {"text_encoder": CLIPTextModel(text_config(128, 2, "gelu")), "tokenizer": tokenizer("!"),
                 "unet": unet(lower, 128, wide, True), "vae": vae(0.18215),
                 "scheduler": schedule(DDIMScheduler, prediction_type="v_prediction")}
        kind, dtype, sampler = StableDiffusionPipeline, "BF16", "ddim"
    else:
        parts = {"text_encoder": CLIPTextModel(text_config(64, 3, "quick_gelu")), "tokenizer": tokenizer(end),
                 "text_encoder_2": CLIPTextModelWithProjection(text_config(128, 3, "gelu", 96)), "tokenizer_2": tokenizer("!"),
                 "unet": unet([False] + [True] * (levels - 1), 192, wide, True, [1] * (levels - 1) + [args.depth],
                              addition_embed_type="text_time", addition_time_embed_dim=32,
                              projection_class_embeddings_input_dim=96 + 6 * 32), "vae": vae(0.13025),
                 "scheduler": schedule(EulerDiscreteScheduler)}
        return StableDiffusionXLPipeline(**parts, add_watermarker=False), "F16", "euler"
    return kind(**parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False), dtype, sampler


def draw(pipe, case):
    pipe.set_progress_bar_config(disable=True)
    negative = case["negative_prompt"] or None
    made = pipe(case["prompt"], negative_prompt=negative, num_inference_steps=case["steps"], guidance_scale=case["cfg_scale"],
                height=args.side, width=args.side, generator=torch.Generator("cpu").manual_seed(case["seed"]),
                output_type="np").images[0]
    return (made * 255).round().astype(np.uint8)


def lora(tensors, layout):
    """An adapter of SDXL as kohya's trainer writes it: the original layout's blocks, and both text encoders."""
    layers = {}
    for name in tensors:
        component, key = name.split("/", 1)
        path = bare(key).removesuffix(".weight")
        if component == "unet" and path.endswith(("attn1.to_q", "attn2.to_v", "to_out.0", "proj_in", "ff.net.2")):
            layers["lora_unet_" + layout.unet_key(key).removesuffix(".weight").replace(".", "_")] = tensors[name]
        elif component.startswith("text_encoder") and path.endswith(("q_proj", "fc1")) and key.endswith("weight"):
            which = "lora_te2_" if component.endswith("2") else "lora_te1_"
            layers[f"{which}text_model_{path.replace('.', '_')}"] = tensors[name]
    shapes = {}
    for layer, (outputs, inputs, *_) in layers.items():
        shapes |= {f"{layer}.lora_down.weight": [2, inputs], f"{layer}.lora_up.weight": [outputs, 2], f"{layer}.alpha": []}
    return shapes


def lora_values(key, shape):
    return torch.tensor(3.0) if key.endswith("alpha") else values(f"lora/{key}", shape)


cases = []
for family in ("sd1", "sd2", "sdxl", "lcm"):
    attends_up = [False] + [True] * (levels - 1) if family != "sdxl" else [True] * (levels - 1) + [False]
    layout = Layout(family, args.layers, attends_up, vae_levels=3)
    work = Path(tempfile.mkdtemp()) if args.keep is None else args.keep
    folder = work / family
    pipe, dtype, sampler = build(family)
    pipe.save_pretrained(folder)
    tensors = {}
    for path in sorted(folder.glob("*/*.safetensors")):
        component, state = path.parent.name, {}
        for key, old in load_file(path).items():
            if old.is_floating_point():
                tensors[f"{component}/{key}"] = list(old.shape)
                state[key] = values(f"{component}/{key}", list(old.shape)).to(TYPES[dtype])
        save_file(state, path, metadata={"format": "pt"})
    kind = type(pipe)
    unsafe = {} if family == "sdxl" else {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipe = kind.from_pretrained(folder, torch_dtype=torch.float32, **unsafe)
    drawn = [{"name": f"{family}_silent", "prompt": "a red fox in front of misty mountains", "negative_prompt": "", "steps": 4,
              "cfg_scale": 4.0, "seed": 5 + args.seed},
             {"name": f"{family}_words", "prompt": "marbling waves", "negative_prompt": "blue fox", "steps": 5,
              "cfg_scale": 2.5, "seed": 6 + args.seed}]
    pictures = []
    with torch.no_grad():
        for case in drawn:
            picture = draw(pipe, case)
            pictures.append(picture)
            Image.fromarray(picture).save(args.out / f"{case['name']}.png")

    entries, file = [], {}
    one = work / f"{family}.safetensors"
    if family != "lcm":
        entries = layout.entries({name: len(shape) for name, shape in tensors.items()})
        file = {key: assemble(how, [values(n, tensors[n]) for n in names]).to(TYPES[dtype]).contiguous()
                for key, how, names in entries}
        save_file(file, one, metadata={"format": "pt"})
        with torch.no_grad():
            theirs = kind.from_single_file(one, config=str(folder), local_files_only=True, torch_dtype=torch.float32)
            # What decides which steps are taken is not in the file.
            theirs.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
            if family == "sd2":
                # diffusers leaves out the layer that nobody hears by its number in the real checkpoint, 23.
                assert all(torch.equal(a, b) for a, b in zip(theirs.unet.state_dict().values(), pipe.unet.state_dict().values()))
            for case, picture in zip(drawn, pictures):
                off = np.abs(draw(theirs, case).astype(int) - picture.astype(int)).max()
                print(family, case["name"], "one file against folder in diffusers: off by", off)
                assert off <= 1, "the original layout is not diffusers' own"

    adapter = {}
    if family == "sdxl":
        adapter = lora(tensors, layout)
        path, strength = work / "sdxl_lora.safetensors", 0.8
        filled = {k: lora_values(k, s).contiguous() for k, s in adapter.items()}
        save_file(filled, path, metadata={"format": "pt"})
        unet_only = {k: v for k, v in filled.items() if k.startswith("lora_unet")}
        pipe.load_lora_weights(unet_only, adapter_name="a")
        pipe.set_adapters(["a"], [strength])
        # This diffusers does not find the layers of this transformers' text encoders: their sum is written out here.
        for which, encoder in (("te1", pipe.text_encoder), ("te2", pipe.text_encoder_2)):
            corrected = 0
            for name, module in encoder.named_modules():
                layer = f"lora_{which}_text_model_{bare(name + '.').removesuffix('.').replace('.', '_')}"
                if f"{layer}.alpha" in filled:
                    down, up = filled[f"{layer}.lora_down.weight"], filled[f"{layer}.lora_up.weight"]
                    with torch.no_grad():
                        module.weight += strength * float(filled[f"{layer}.alpha"]) / len(down) * (up @ down)
                    corrected += 1
            assert corrected == sum(k.startswith(f"lora_{which}") and k.endswith("alpha") for k in filled)
        with torch.no_grad():
            case = drawn[1] | {"name": "sdxl_lora", "lora": strength}
            Image.fromarray(draw(pipe, case)).save(args.out / f"{case['name']}.png")
        drawn.append(case)

    configs = {}
    for name in ["model_index.json", *(f"{c}/config.json" for c in ("text_encoder", "text_encoder_2", "unet", "vae")),
                 "scheduler/scheduler_config.json", *(f"{t}/{f}" for t in ("tokenizer", "tokenizer_2")
                                                      for f in ("tokenizer.json", "tokenizer_config.json"))]:
        if (folder / name).is_file():
            configs[name] = json.loads((folder / name).read_text())
    files = {str(p.relative_to(folder)): p.parent.name for p in sorted(folder.glob("*/*.safetensors"))}
    cases.append({"family": family, "seed": args.seed, "side": args.side, "dtype": dtype, "sampler": sampler, "cases": drawn,
                  "configs": configs, "files": files, "tensors": list(tensors.items()),
                  "original": [[k, how, [list(tensors).index(n) for n in names]] for k, how, names in entries],
                  "lora": list(adapter.items())})
    if args.keep is None:
        shutil.rmtree(work)
(args.out / "families.json").write_text("[" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "]\n")

if args.vocabulary:
    merges = gzip.open(args.vocabulary).read().decode().split("\n")[1:49152 - 256 - 2 + 1]
    table = json.loads((tokens / "vocab.json").read_text())
    vocab = sorted((k for k, v in table.items() if v < 256), key=table.get)
    vocab += [v + "</w>" for v in vocab] + ["".join(m.split()) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    # OpenAI's order of the 256 bytes: the printable ones first.
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary)
        (path / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(vocab)}))
        (path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
        clip = CLIPTokenizer.from_pretrained(path)
        assert len(clip) == 49408
        prompts = ["", "a photo of a cat", "Hi there", "A RED   fox, in FRONT of misty mountains!!", "it's the fox's 42nd mountain, 1920s",
                   "masterpiece, best quality, (8k:1.2), trending on artstation", "ünïcödé façade, crème brûlée", "東京タワー 🦊🦊",
                   "don't we'll they've I'm he'd", "supercalifragilisticexpialidocious", "a.b,c;d -- e_f #g @h", "word " * 90]
        (args.out / "clip_tokens.json").write_text(json.dumps(
            [{"prompt": p, "ids": clip(p, padding="max_length", max_length=77, truncation=True).input_ids} for p in prompts]) + "\n")
print("written")
