"""Stable Diffusion folders as diffusers opens them, for the scripts of this folder."""
from diffusers import StableDiffusionPipeline


def opened(folder):
    """The pipeline of a folder, without a checker of pictures and without progress."""
    pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, feature_extractor=None,
                                                   requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe
