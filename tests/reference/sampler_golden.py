"""Golden data for the samplers and the seeded noise: whole trajectories of diffusers' schedulers round a known function.

    python tests/reference/sampler_golden.py [--seed 0] [--out tests/reference/golden]

The model is `tanh(0.7 x + 0.3 sin(0.01 t))`, so both sides compute it themselves.
"""
import argparse
import inspect
import json
import sys
import types
from pathlib import Path

import numpy as np
import torch
from diffusers import (DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler,
                       EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler,
                       HeunDiscreteScheduler, KDPM2AncestralDiscreteScheduler, KDPM2DiscreteScheduler, LCMScheduler,
                       LMSDiscreteScheduler, PNDMScheduler, TCDScheduler, UniPCMultistepScheduler)

# DPMSolverSDEScheduler imports torchsde for its Brownian tree only, and here the noise comes from `Walk`.
sys.modules.setdefault("torchsde", types.ModuleType("torchsde"))
from diffusers.schedulers.scheduling_dpmsolver_sde import DPMSolverSDEScheduler  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--size", type=int, default=20, help="numbers in a latent")
parser.add_argument("--out", type=Path, default=Path(__file__).parent / "golden")
args = parser.parse_args()

SDE = {"algorithm_type": "sde-dpmsolver++"}
# Solvers that take any noise level, and those that step between time steps of training.
ANY = {
    "euler": (EulerDiscreteScheduler, {}),
    "euler_a": (EulerAncestralDiscreteScheduler, {}),
    "heun": (HeunDiscreteScheduler, {}),
    "dpm2": (KDPM2DiscreteScheduler, {}),
    "dpm2_a": (KDPM2AncestralDiscreteScheduler, {}),
    "lms": (LMSDiscreteScheduler, {}),
    "dpmpp_sde": (DPMSolverSDEScheduler, {}),
    "dpmpp_2m": (DPMSolverMultistepScheduler, {}),
    "dpmpp_2m_sde": (DPMSolverMultistepScheduler, SDE),
    "unipc": (UniPCMultistepScheduler, {}),
}
WHOLE = {
    "ddim": (DDIMScheduler, {"clip_sample": False}),
    "ddpm": (DDPMScheduler, {"clip_sample": False}),
    "pndm": (PNDMScheduler, {"skip_prk_steps": True}),
    "lcm": (LCMScheduler, {"clip_sample": False}),
    "tcd": (TCDScheduler, {}),
}
SPACINGS = {
    "karras": {"use_karras_sigmas": True},
    "exponential": {"use_exponential_sigmas": True},
    "trailing": {"timestep_spacing": "trailing"},
}
SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SCHEDULES = [
    {**SD, "timestep_spacing": "leading", "steps_offset": 1, "prediction_type": "epsilon", "set_alpha_to_one": False},
    {**SD, "timestep_spacing": "trailing", "prediction_type": "v_prediction"},
    {"beta_schedule": "squaredcos_cap_v2", "timestep_spacing": "linspace", "prediction_type": "epsilon"},
    {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear", "timestep_spacing": "leading", "prediction_type": "v_prediction"},
]


def accepted(cls, config):
    names = inspect.signature(cls.__init__).parameters
    return {k: v for k, v in config.items() if k in names}


class Walk:
    """Brownian motion drawn as it is walked: one number for the first half of a step, one for the second."""

    def __init__(self, generator, n):
        self.generator, self.n, self.first = generator, n, None

    def __call__(self, sigma, sigma_next):
        sigma, sigma_next = float(sigma), float(sigma_next)
        fresh = torch.randn(1, 1, 1, self.n, generator=self.generator)
        if self.first is None:
            self.first = (fresh, sigma_next)
            return fresh
        (first, middle), self.first = self.first, None
        length = sigma - sigma_next
        return ((sigma - middle) / length) ** 0.5 * first + ((middle - sigma_next) / length) ** 0.5 * fresh


def run(sampler, scheduler, config, steps, **times):
    n = args.size
    noise = torch.Generator("cpu").manual_seed(args.seed + 11)
    if sampler.startswith(("dpmpp_2m", "unipc")) and "exponential" in sampler:
        # diffusers cuts these time steps off, so that float noise decides between two; Kiln rounds, as with Karras' levels.
        inner = scheduler._sigma_to_t
        scheduler._sigma_to_t = lambda sigma, log_sigmas: np.round(inner(sigma, log_sigmas))
    scheduler.set_timesteps(**(times or {"num_inference_steps": steps}))
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)
    if isinstance(scheduler, DPMSolverSDEScheduler):
        scheduler.noise_sampler = Walk(noise, n)
    x = torch.randn(1, 1, 1, n, generator=noise) * scheduler.init_noise_sigma if hasattr(scheduler, "init_noise_sigma") \
        else torch.randn(1, 1, 1, n, generator=noise)
    draws = sampler != "ddim" and "generator" in inspect.signature(scheduler.step).parameters
    points = []
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        out = torch.tanh(0.7 * scaled + 0.3 * torch.sin(0.01 * t.float()))
        x = scheduler.step(out, t, x, **({"generator": noise} if draws else {})).prev_sample.float()
        points.append([float(f"{float(v):.6g}") for v in x.flatten()])
    return {"sampler": sampler, "config": config, "steps": steps, "seed": args.seed + 11,
            "timesteps": [round(float(t), 4) for t in scheduler.timesteps], "points": points}


cases = []
for name, (cls, extra) in {**ANY, **WHOLE}.items():
    for config in SCHEDULES:
        if name in ("lcm", "tcd") and config.get("timestep_spacing") != "leading":
            continue
        for steps in (4, 9):
            cases.append(run(name, cls(**accepted(cls, config), **extra), config, steps))
for name, (cls, extra) in ANY.items():
    for spacing, change in SPACINGS.items():
        # Euler a has neither in diffusers; its step is proved above and its levels are Euler's.
        if name == "euler_a" and spacing != "trailing":
            continue
        for config in (SCHEDULES[0], SCHEDULES[3]):
            solver = cls(**{**accepted(cls, config), **extra, **change})
            cases.append(run(f"{name}_{spacing}", solver, config, 6))
    if "timesteps" in inspect.signature(cls.set_timesteps).parameters:
        steps, config = 6, {**SD, "timestep_spacing": "linspace", "prediction_type": "epsilon"}
        times = [int(t) for t in np.linspace(0, 999, steps + 1).round()[::-1][:-1]]
        cases.append(run(f"{name}_sgm_uniform", cls(**accepted(cls, config), **extra), config, steps, timesteps=times))
for name in ("ddim", "ddpm", "pndm"):
    cls, extra = WHOLE[name]
    trailing = {**accepted(cls, SCHEDULES[0]), **extra, "timestep_spacing": "trailing"}
    cases.append(run(f"{name}_trailing", cls(**trailing), SCHEDULES[0], 7))
zero = {**SD, "timestep_spacing": "trailing", "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
for name, (cls, extra) in {**ANY, **WHOLE}.items():
    if "rescale_betas_zero_snr" in inspect.signature(cls.__init__).parameters:
        cases.append(run(name, cls(**accepted(cls, zero), **extra), zero, 6))
for shift in (1.0, 3.0):
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": shift}
    cases.append(run("euler", FlowMatchEulerDiscreteScheduler(shift=shift), config, 7))
    cases.append(run("heun", FlowMatchHeunDiscreteScheduler(shift=shift), config, 7))
    flow = {"prediction_type": "flow_prediction", "shift": shift}
    twin = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": shift}
    for name in ("dpmpp_2m", "dpmpp_2m_sde", "unipc"):
        cls, extra = ANY[name]
        cases.append(run(name, cls(**twin, **extra), flow, 7))

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
