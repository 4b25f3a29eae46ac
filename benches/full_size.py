"""Full-size Stable Diffusion 1.5 and XL with random weights in f16, one program after the other on the same cores.

    python benches/full_size.py --kiln target/release/kiln [--sd-cli PATH-OF-STABLE-DIFFUSION.CPP] [--work FOLDER]
                                [--families sd15 sdxl] [--steps 3] [--threads N] [--rounds 1]

Prints seconds a step (the median of all but the first of a run), seconds for the whole run with loading and decoding, and the
peak of resident memory. SD 1.5 draws at 512x512 with guidance, two predictions a step; XL at 1024x1024 without, one a step.
diffusers computes in f32 in the faster of its two memory layouts, channels last, as Kiln does; stable-diffusion.cpp with the
file's f16. The checkpoints, 9 GB in all, are made in --work and kept there.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

here = Path(__file__).resolve().parent
reference = here.parent / "tests" / "reference"
parser = argparse.ArgumentParser()
parser.add_argument("--kiln", type=Path, default=here.parent / "target" / "release" / "kiln")
parser.add_argument("--sd-cli", type=Path)
parser.add_argument("--work", type=Path, default=Path("full-size"))
parser.add_argument("--families", nargs="+", default=["sd15", "sdxl"])
parser.add_argument("--programs", nargs="+", default=["kiln", "diffusers", "stable-diffusion.cpp"])
parser.add_argument("--steps", type=int, default=3)
parser.add_argument("--rounds", type=int, default=1)
parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
parser.add_argument("--make", help=argparse.SUPPRESS)
parser.add_argument("--draw", help=argparse.SUPPRESS)
args = parser.parse_args()

SIDE = {"sd15": 512, "sdxl": 1024}
GUIDANCE = {"sd15": 7.0, "sdxl": 1.0}
PROMPT = "a red fox in front of misty blue mountains"


def text_config(hidden, layers, heads, act, **more):
    from transformers import CLIPTextConfig

    return CLIPTextConfig(vocab_size=49408, hidden_size=hidden, intermediate_size=4 * hidden, num_hidden_layers=layers,
                          num_attention_heads=heads, max_position_embeddings=77, hidden_act=act, **more)


def parts(family):
    """Configurations of the real checkpoints."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    xl = family == "sdxl"
    kinds = ["DownBlock2D"] + ["CrossAttnDownBlock2D"] * 2 if xl else ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]
    more = dict(attention_head_dim=[5, 10, 20], transformer_layers_per_block=[1, 2, 10], use_linear_projection=True,
                addition_embed_type="text_time", addition_time_embed_dim=256,
                projection_class_embeddings_input_dim=2816) if xl else dict(attention_head_dim=8)
    yield "unet", UNet2DConditionModel(
        sample_size=SIDE[family] // 8, block_out_channels=(320, 640, 1280) if xl else (320, 640, 1280, 1280), layers_per_block=2,
        down_block_types=kinds, up_block_types=[k.replace("Down", "Up") for k in reversed(kinds)],
        cross_attention_dim=2048 if xl else 768, **more)
    yield "vae", AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4,
        scaling_factor=0.13025 if xl else 0.18215)
    yield "text_encoder", CLIPTextModel(text_config(768, 12, 12, "quick_gelu"))
    if xl:
        yield "text_encoder_2", CLIPTextModelWithProjection(text_config(1280, 32, 20, "gelu", projection_dim=1280))


def make(family):
    """One file in the original layout, and diffusers' folders with the same weights."""
    import torch
    from safetensors.torch import save_file

    sys.path.insert(0, str(reference))
    from original_layout import Layout, assemble

    torch.manual_seed(0)
    folder, tensors = args.work / family, {}
    for name, part in parts(family):
        part = part.half()
        part.save_pretrained(folder / name)
        # transformers keeps a table of positions that no file holds.
        tensors |= {f"{name}/{key}": value for key, value in part.state_dict().items() if value.is_floating_point()}
    xl = family == "sdxl"
    layout = Layout("sdxl" if xl else "sd1", 2, [True, True, False] if xl else [False, True, True, True], vae_levels=4)
    entries = layout.entries({name: value.dim() for name, value in tensors.items()})
    file = {key: assemble(how, [tensors[name] for name in names]).contiguous() for key, how, names in entries}
    save_file(file, args.work / f"{family}.safetensors", metadata={"format": "pt"})


def draw(family):
    """diffusers, a line with the seconds after every step."""
    import torch
    from diffusers import (AutoencoderKL, DDIMScheduler, EulerDiscreteScheduler, StableDiffusionPipeline,
                           StableDiffusionXLPipeline, UNet2DConditionModel)
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    torch.set_num_threads(args.threads)
    folder, full = args.work / family, dict(torch_dtype=torch.float32)
    # Which words these are changes neither time nor memory: a small vocabulary does.
    tokenizer = lambda: CLIPTokenizer.from_pretrained(reference / "golden" / "tiny_pipeline" / "tokenizer", model_max_length=77)
    schedule = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1)
    given = {"unet": UNet2DConditionModel.from_pretrained(folder / "unet", **full).to(memory_format=torch.channels_last),
             "vae": AutoencoderKL.from_pretrained(folder / "vae", **full).to(memory_format=torch.channels_last),
             "text_encoder": CLIPTextModel.from_pretrained(folder / "text_encoder", **full), "tokenizer": tokenizer()}
    if family == "sdxl":
        second = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2", **full)
        pipe = StableDiffusionXLPipeline(**given, text_encoder_2=second, tokenizer_2=tokenizer(), add_watermarker=False,
                                         scheduler=EulerDiscreteScheduler(**schedule))
    else:
        pipe = StableDiffusionPipeline(**given, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
                                       scheduler=DDIMScheduler(**schedule, clip_sample=False))
    pipe.set_progress_bar_config(disable=True)
    began = time.perf_counter()

    def told(_pipe, _step, _timestep, kept):
        nonlocal began
        print(f"step {time.perf_counter() - began}", flush=True)
        began = time.perf_counter()
        return kept

    with torch.inference_mode():
        pipe(PROMPT, num_inference_steps=args.steps, guidance_scale=GUIDANCE[family], height=SIDE[family], width=SIDE[family],
             callback_on_step_end=told)


def command(program, family):
    side, guidance, file = str(SIDE[family]), str(GUIDANCE[family]), str(args.work / f"{family}.safetensors")
    out, steps = args.work / program, str(args.steps)
    if program == "kiln":
        return [args.kiln, "generate", "--model", file, "--prompt", PROMPT, "--seed", "1", "--width", side, "--height", side,
                "--steps", steps, "--cfg", guidance, "--sampler", "euler", "--device", "cpu", "--out", out, "--json"]
    if program == "diffusers":
        return [sys.executable, __file__, "--draw", family, "--work", args.work, "--steps", steps, "--threads", str(args.threads)]
    return [args.sd_cli, "-m", file, "-p", PROMPT, "--seed", "1", "-W", side, "-H", side, "--steps", steps,
            "--cfg-scale", guidance, "--sampling-method", "euler", "-t", str(args.threads), "-o", f"{out}.png"]


def run(program, family):
    """Seconds of each step, of the whole run, and its peak of resident memory in bytes."""
    environment = os.environ | {"RAYON_NUM_THREADS": str(args.threads), "OMP_NUM_THREADS": str(args.threads)}
    log = args.work / f"{program}-{family}.log"
    began = last = time.perf_counter()
    steps = []
    with subprocess.Popen([str(word) for word in command(program, family)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=environment) as child, open(log, "wb") as kept:
        line = b""
        while byte := child.stdout.read(1):
            kept.write(byte)
            if byte not in b"\r\n":
                line += byte
                continue
            text, line, now = line.decode(errors="replace"), b"", time.perf_counter()
            if program == "kiln" and text.startswith("{"):
                event = json.loads(text).get("event")
                if event == "step":
                    steps.append(now - last)
                if event in ("start", "step"):
                    last = now
            elif program == "diffusers" and text.startswith("step "):
                steps.append(float(text.split()[1]))
            elif found := re.search(rf"\| *(\d+)/{args.steps} - +([\d.]+)(s/it|it/s)", text):
                # The bar says the time of its newest step; one that was said twice counts once.
                if int(found[1]) == len(steps) + 1:
                    seconds = float(found[2])
                    steps.append(seconds if found[3] == "s/it" else 1 / seconds)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0 or len(steps) < args.steps:
        sys.exit(f"{program} did not draw {family} ({len(steps)} steps, exit status {child.returncode}); see {log}.")
    unit = 1 if sys.platform == "darwin" else 1024
    return statistics.median(steps[1:] or steps), time.perf_counter() - began, usage.ru_maxrss * unit


if args.make:
    make(args.make)
elif args.draw:
    draw(args.draw)
else:
    args.work.mkdir(parents=True, exist_ok=True)
    programs = [p for p in args.programs if p != "stable-diffusion.cpp" or args.sd_cli]
    print(f"{args.threads} threads, {args.steps} steps\n\n| | " + " | ".join(programs) + " |\n|" + " --- |" * (len(programs) + 1))
    for family in args.families:
        if not (args.work / f"{family}.safetensors").is_file():
            subprocess.run([sys.executable, __file__, "--make", family, "--work", args.work], check=True)
        runs = {program: [] for program in programs}
        for _ in range(args.rounds):
            for program in programs:
                runs[program].append(run(program, family))
        place = f"{family}, {SIDE[family]}x{SIDE[family]}"
        for what, column, form in (("seconds a step", 0, "{:.1f}"), ("whole run, seconds", 1, "{:.0f}"), ("peak memory, GB", 2, "{:.1f}")):
            cells = [statistics.median(r[column] for r in runs[program]) / (1e9 if column == 2 else 1) for program in programs]
            print(f"| {place}: {what} | " + " | ".join(form.format(cell) for cell in cells) + " |", flush=True)
