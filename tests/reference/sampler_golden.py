"""Golden data for the samplers and the seeded noise: whole trajectories of diffusers' schedulers round a known function.

    python tests/reference/sampler_golden.py [--seed 0] [--out tests/reference/golden]

The model is `tanh(0.7 x + 0.3 sin(0.01 t))`, so both sides compute it themselves.
"""
import argparse
import json
from pathlib import Path

import torch
from diffusers import (DDIMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler, EulerDiscreteScheduler,
                       FlowMatchEulerDiscreteScheduler, LCMScheduler)

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", type=Path, default=Path(__file__).parent / "golden")
args = parser.parse_args()

CLASSES = {
    "euler": (EulerDiscreteScheduler, {}),
    "euler_a": (EulerAncestralDiscreteScheduler, {}),
    "ddim": (DDIMScheduler, {"clip_sample": False}),
    "dpmpp_2m": (DPMSolverMultistepScheduler, {}),
    "dpmpp_2m_karras": (DPMSolverMultistepScheduler, {"use_karras_sigmas": True}),
    "lcm": (LCMScheduler, {"clip_sample": False}),
}
SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SCHEDULES = [
    {**SD, "timestep_spacing": "leading", "steps_offset": 1, "prediction_type": "epsilon", "set_alpha_to_one": False},
    {**SD, "timestep_spacing": "trailing", "prediction_type": "v_prediction"},
    {"beta_schedule": "squaredcos_cap_v2", "timestep_spacing": "linspace", "prediction_type": "epsilon"},
    {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear", "timestep_spacing": "leading", "prediction_type": "v_prediction"},
]


def accepts(cls, config):
    import inspect
    names = inspect.signature(cls.__init__).parameters
    return {k: v for k, v in config.items() if k in names}


def run(sampler, scheduler, config, steps, n=40):
    noise = torch.Generator("cpu").manual_seed(args.seed + 11)
    scheduler.set_timesteps(steps)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)
    x = torch.randn(1, 1, 1, n, generator=noise) * getattr(scheduler, "init_noise_sigma", 1.0)
    points = []
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        out = torch.tanh(0.7 * scaled + 0.3 * torch.sin(0.01 * t.float()))
        extra = {} if sampler == "ddim" or sampler.startswith("flow") else {"generator": noise}
        x = scheduler.step(out, t, x, **extra).prev_sample
        points.append([round(float(v), 7) for v in x.flatten()])
    return {"sampler": sampler, "config": config, "steps": steps, "seed": args.seed + 11,
            "timesteps": [float(t) for t in scheduler.timesteps], "points": points}


cases = []
for name, (cls, extra) in CLASSES.items():
    for config in SCHEDULES:
        # diffusers truncates these time steps instead of rounding them, so float noise decides between two.
        if name == "dpmpp_2m_karras" and config["beta_schedule"] == "squaredcos_cap_v2":
            continue
        if name == "lcm" and config.get("timestep_spacing") != "leading":
            continue
        for steps in (4, 9):
            cases.append(run(name, cls(**accepts(cls, config), **extra), config, steps))
zero = {**SD, "timestep_spacing": "trailing", "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
cases.append(run("ddim", DDIMScheduler(**zero, clip_sample=False), zero, 6))
for shift in (1.0, 3.0):
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": shift}
    flow = run("flow_euler", FlowMatchEulerDiscreteScheduler(shift=shift), config, 7)
    cases.append({**flow, "sampler": "euler"})
    flow = {"prediction_type": "flow_prediction", "shift": shift}
    solver = DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)
    cases.append(run("dpmpp_2m", solver, flow, 7))

# Where diffusers itself loses a negative root to rounding, there is nothing to agree with.
cases = [c for c in cases if all(v == v for point in c["points"] for v in point)]

draws = []
for seed in (0, 1, 7, 42, 2**32 - 1, 2**40 + 3):
    for n in (1, 5, 15, 16, 17, 31, 100):
        g = torch.Generator("cpu").manual_seed(seed)
        values = torch.cat([torch.randn(n, generator=g), torch.randn(n, generator=g)])
        draws.append({"seed": seed, "n": n, "values": [float(v) for v in values]})
big = torch.randn(16384, generator=torch.Generator("cpu").manual_seed(5))
(args.out / "sampler.json").write_text(json.dumps(
    {"cases": cases, "draws": draws, "big": [float(v) for v in big[::1024]]}, separators=(",", ":")))
print(len(cases), "trajectories", (args.out / "sampler.json").stat().st_size)
