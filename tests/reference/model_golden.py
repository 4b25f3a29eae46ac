"""Golden data for every burn module: tiny modules of diffusers and transformers with random weights.

    python tests/reference/model_golden.py [--seed 0] [--out tests/reference/golden]

Each file holds the weights (`w.<key>`), the inputs (`in.*`), the outputs (`out.*`) and the configuration.
"""
import argparse
import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", type=Path, default=Path(__file__).parent / "golden")
args = parser.parse_args()
torch.manual_seed(args.seed)
args.out.mkdir(exist_ok=True)


def randomise(model):
    """Weights of a size that lets every layer matter; nothing stays at its zero or one."""
    for name, p in model.named_parameters():
        fan = p[0].numel() if p.dim() > 1 else 1
        with torch.no_grad():
            if p.dim() > 1:
                p.normal_(0, fan**-0.5)
            else:
                p.normal_(1.0 if "norm" in name and name.endswith("weight") else 0.0, 0.1)
    return model.eval()


def write(name, kind, model, config, inputs, outputs):
    tensors = {f"w.{k}": v.contiguous() for k, v in model.state_dict().items()}
    tensors |= {f"in.{k}": v.contiguous() for k, v in inputs.items()}
    tensors |= {f"out.{k}": v.contiguous() for k, v in outputs.items()}
    path = args.out / f"model_{name}.safetensors"
    save_file({k: v.detach().clone() for k, v in tensors.items()}, path, {"kind": kind, "config": json.dumps(dict(config))})
    print(path.name, path.stat().st_size)


def autoencoder(name, **config):
    model = randomise(AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * len(config["block_out_channels"]),
        up_block_types=["UpDecoderBlock2D"] * len(config["block_out_channels"]), **config))
    down = 2 ** (len(config["block_out_channels"]) - 1)
    x = torch.rand(2, 3, 2 * down, down) * 2 - 1
    z = torch.randn(2, config["latent_channels"], 2, 3)
    moments = model.encode(x).latent_dist
    write(name, "autoencoder_kl", model, model.config, {"x": x, "z": z},
          {"mean": moments.mean, "logvar": moments.logvar, "picture": model.decode(z).sample})


def tiled(name, **config):
    """Larger than its tiles, and not a multiple of them."""
    model = randomise(AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2, sample_size=16, **config))
    model.enable_tiling()
    x, z = torch.rand(1, 3, 40, 26) * 2 - 1, torch.randn(1, config["latent_channels"], 20, 13)
    moments = model.encode(x).latent_dist
    write(name, "autoencoder_kl", model, model.config, {"x": x, "z": z},
          {"mean": moments.mean, "std": moments.std, "picture": model.decode(z).sample})


def tiny(name, **config):
    model = randomise(AutoencoderTiny(**config))
    down = 2 ** (len(config["num_encoder_blocks"]) - 1)
    x = torch.rand(2, 3, 2 * down, 3 * down) * 2 - 1
    z = torch.randn(2, config["latent_channels"], 3, 2) * 2
    write(name, "autoencoder_tiny", model, model.config, {"x": x, "z": z},
          {"latents": model.encode(x).latents, "picture": model.decode(z).sample})


def unet(name, size=(8, 8), **config):
    model = randomise(UNet2DConditionModel(sample_size=8, **config))
    n = 2
    sample = torch.randn(n, config["in_channels"], *size)
    time = torch.tensor([3.0, 871.5])
    context = config["cross_attention_dim"]
    words = torch.randn(n, 5, context[0] if isinstance(context, (list, tuple)) else context)
    inputs = {"sample": sample, "time": time, "words": words}
    labels, added, cond = None, None, None
    if config.get("class_embed_type") in ("projection", "simple_projection"):
        labels = torch.randn(n, config["projection_class_embeddings_input_dim"])
        inputs["class_labels"] = labels
    if config.get("addition_embed_type") == "text_time":
        ids = torch.tensor([[64.0, 48, 0, 0, 64, 64], [32.0, 96, 8, 0, 64, 32]])
        pooled = torch.randn(n, config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"])
        added = {"text_embeds": pooled, "time_ids": ids}
        inputs |= added
    if config.get("time_cond_proj_dim"):
        cond = torch.randn(n, config["time_cond_proj_dim"])
        inputs["timestep_cond"] = cond
    out = model(sample, time, words, class_labels=labels, added_cond_kwargs=added, timestep_cond=cond).sample
    write(name, "unet", model, model.config, inputs, {"sample": out})


def clip(name, **config):
    model = randomise(CLIPTextModel(CLIPTextConfig(vocab_size=50, bos_token_id=0, pad_token_id=1, **config)))
    eos = config["eos_token_id"]
    ids = torch.randint(3, 40, (2, 9))
    ids[0, 6:] = eos if eos != 2 else 49
    ids[1, 8] = eos if eos != 2 else 49
    out = model(ids, output_hidden_states=True)
    write(name, "clip_text", model, model.config.to_dict(), {"ids": ids.to(torch.int32)},
          {"last": out.last_hidden_state, "pooled": out.pooler_output, "before_last": out.hidden_states[-2]})


with torch.no_grad():
    autoencoder("vae_sd", block_out_channels=[8, 16], layers_per_block=2, latent_channels=4, norm_num_groups=4)
    autoencoder("vae_ember", block_out_channels=[4, 4, 8, 8, 12], layers_per_block=1, latent_channels=6,
                norm_num_groups=4, mid_block_add_attention=False, use_quant_conv=False, use_post_quant_conv=False)
    unet("unet_ember", in_channels=6, out_channels=6, block_out_channels=[8, 16, 24], layers_per_block=1,
         down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"], mid_block_type="UNetMidBlock2DCrossAttn",
         up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], norm_num_groups=8, cross_attention_dim=12,
         attention_head_dim=[1, 2, 3], use_linear_projection=True, class_embed_type="projection",
         projection_class_embeddings_input_dim=7, addition_embed_type="text", addition_embed_type_num_heads=3,
         resnet_time_scale_shift="scale_shift")
    unet("unet_sd1", size=(7, 5), in_channels=4, out_channels=4, block_out_channels=[8, 16], layers_per_block=2,
         down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"], up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"],
         norm_num_groups=4, cross_attention_dim=10, attention_head_dim=2, time_cond_proj_dim=6)
    unet("unet_sdxl", in_channels=4, out_channels=4, block_out_channels=[8, 16], layers_per_block=1,
         down_block_types=["DownBlock2D", "CrossAttnDownBlock2D"], up_block_types=["CrossAttnUpBlock2D", "UpBlock2D"],
         norm_num_groups=4, cross_attention_dim=12, attention_head_dim=[2, 4], use_linear_projection=True,
         transformer_layers_per_block=[1, 2], addition_embed_type="text_time", addition_time_embed_dim=4,
         projection_class_embeddings_input_dim=32)
    unet("unet_simple", in_channels=3, out_channels=3, block_out_channels=[8], layers_per_block=1,
         down_block_types=["DownBlock2D"], up_block_types=["UpBlock2D"], mid_block_type=None, norm_num_groups=4,
         cross_attention_dim=4, class_embed_type="simple_projection", projection_class_embeddings_input_dim=5,
         flip_sin_to_cos=False, freq_shift=1)
    clip("clip_quick", hidden_size=12, intermediate_size=20, num_hidden_layers=2, num_attention_heads=3,
         max_position_embeddings=11, hidden_act="quick_gelu", eos_token_id=49)
    clip("clip_gelu", hidden_size=8, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2,
         max_position_embeddings=9, hidden_act="gelu", eos_token_id=2)
    # Last, so that the files above stay what they were.
    for name, act in [("tiny_relu", "relu"), ("tiny_silu", "silu")]:
        tiny(name, encoder_block_out_channels=(6, 6, 6), decoder_block_out_channels=(6, 6, 6), latent_channels=4,
             num_encoder_blocks=(1, 2, 1), num_decoder_blocks=(2, 1, 1), act_fn=act)
    tiled("vae_tiled", block_out_channels=[8, 16], layers_per_block=1, latent_channels=4, norm_num_groups=4)
