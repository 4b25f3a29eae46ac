"""The original layout of Stable Diffusion's files: diffusers' names of weights, translated into theirs.

diffusers' own from_single_file reads what this writes; families_golden.py proves it for every family.
"""
import torch


def bare(key):
    """A text encoder's name without the prefix that some versions of transformers write."""
    return key.removeprefix("text_model.")


def assemble(how, parts):
    """An entry of the one file from the tensors that make it."""
    return {"whole": lambda: parts[0], "conv": lambda: parts[0][:, :, None, None],
            "transpose": lambda: parts[0].T.contiguous(), "stack": lambda: torch.cat(parts)}[how]()


def resnet_key(key):
    for old, new in [(".norm1.", ".in_layers.0."), (".conv1.", ".in_layers.2."), (".norm2.", ".out_layers.0."),
                     (".conv2.", ".out_layers.3."), (".time_emb_proj.", ".emb_layers.1."),
                     (".conv_shortcut.", ".skip_connection.")]:
        if "transformer_blocks" not in key:
            key = key.replace(old, new)
    return key


def open_clip(component, prefix, keys, extra_layer):
    """Entries of an OpenCLIP text encoder; `extra_layer` repeats the first layer at the end, where nobody hears it."""
    keys = {bare(k): f"{component}/{k}" for k in keys}
    entries = [(prefix + "token_embedding.weight", "whole", [keys["embeddings.token_embedding.weight"]]),
               (prefix + "positional_embedding", "whole", [keys["embeddings.position_embedding.weight"]]),
               (prefix + "ln_final.weight", "whole", [keys["final_layer_norm.weight"]]),
               (prefix + "ln_final.bias", "whole", [keys["final_layer_norm.bias"]])]
    if "text_projection.weight" in keys:
        entries.append((prefix + "text_projection", "transpose", [keys["text_projection.weight"]]))
    count = 1 + max(int(k.split(".")[2]) for k in keys if k.startswith("encoder.layers."))
    for to in range(count + extra_layer):
        layer, block = f"encoder.layers.{to % count}.", f"{prefix}transformer.resblocks.{to}."
        for end in ("weight", "bias"):
            entries.append((f"{block}attn.in_proj_{end}", "stack", [keys[f"{layer}self_attn.{p}_proj.{end}"] for p in "qkv"]))
            for old, new in [("self_attn.out_proj", "attn.out_proj"), ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"),
                             ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj")]:
                entries.append((f"{block}{new}.{end}", "whole", [keys[f"{layer}{old}.{end}"]]))
    return entries


class Layout:
    """Of one file: "sd1", "sd2", "sdxl" or "lcm"; residual blocks a level, and which levels on the way up attend."""

    def __init__(self, family, layers, attends_up, vae_levels):
        self.family, self.layers, self.attends_up, self.vae_levels = family, layers, attends_up, vae_levels

    def unet_key(self, key):
        n = self.layers
        for old, new in [("conv_in.", "input_blocks.0.0."), ("conv_norm_out.", "out.0."), ("conv_out.", "out.2."),
                         ("time_embedding.linear_1.", "time_embed.0."), ("time_embedding.linear_2.", "time_embed.2."),
                         ("time_embedding.cond_proj.", "time_embed.cond_proj."),
                         ("add_embedding.linear_1.", "label_emb.0.0."), ("add_embedding.linear_2.", "label_emb.0.2."),
                         ("mid_block.resnets.0.", "middle_block.0."), ("mid_block.attentions.0.", "middle_block.1."),
                         ("mid_block.resnets.1.", "middle_block.2.")]:
            if key.startswith(old):
                return resnet_key(new + key[len(old):])
        side, level, kind, index, rest = key.split(".", 4)
        level, index = int(level), int(index)
        if side == "down_blocks":
            block = 1 + level * (n + 1) + index
            if kind == "downsamplers":
                return f"input_blocks.{(level + 1) * (n + 1)}.0.op.{rest.removeprefix('conv.')}"
            return resnet_key(f"input_blocks.{block}.{int(kind == 'attentions')}.{rest}")
        block = level * (n + 1) + index
        if kind == "upsamplers":
            return f"output_blocks.{block + n}.{1 + int(self.attends_up[level])}.{rest}"
        return resnet_key(f"output_blocks.{block}.{int(kind == 'attentions')}.{rest}")

    def vae_key(self, key):
        count = self.vae_levels
        for i in range(count):
            key = key.replace(f"encoder.down_blocks.{i}.", f"encoder.down.{i}.")
        if key.startswith("decoder.up_blocks."):
            level = int(key.split(".")[2])
            key = key.replace(f"up_blocks.{level}.", f"up.{count - 1 - level}.", 1)
        for old, new in [(".resnets.", ".block."), (".downsamplers.0.", ".downsample."), (".upsamplers.0.", ".upsample."),
                         ("mid_block.block.0.", "mid.block_1."), ("mid_block.block.1.", "mid.block_2."),
                         ("mid_block.attentions.0.", "mid.attn_1."), (".group_norm.", ".norm."), (".to_q.", ".q."),
                         (".to_k.", ".k."), (".to_v.", ".v."), (".to_out.0.", ".proj_out."), (".conv_shortcut.", ".nin_shortcut."),
                         (".conv_norm_out.", ".norm_out.")]:
            key = key.replace(old, new)
        return key

    def entries(self, dims):
        """(key in the one file, how, names of the tensors) for each of its entries; `dims` gives each tensor's dimensions."""
        family = self.family
        of = lambda component: [k.split("/", 1)[1] for k in dims if k.startswith(component + "/")]
        entries = [("model.diffusion_model." + self.unet_key(k), "whole", [f"unet/{k}"]) for k in of("unet")]
        for k in of("vae"):
            # Projections of the autoencoder's attention are 1x1 convolutions there.
            wide = "attentions" in k and k.endswith("weight") and dims[f"vae/{k}"] == 2
            entries.append(("first_stage_model." + self.vae_key(k), "conv" if wide else "whole", [f"vae/{k}"]))
        clip = "conditioner.embedders.0." if family == "sdxl" else "cond_stage_model."
        if family != "sd2":
            entries += [(f"{clip}transformer.text_model.{bare(k)}", "whole", [f"text_encoder/{k}"]) for k in of("text_encoder")]
        else:
            entries += open_clip("text_encoder", "cond_stage_model.model.", of("text_encoder"), 1)
        if family == "sdxl":
            entries += open_clip("text_encoder_2", "conditioner.embedders.1.model.", of("text_encoder_2"), 0)
        return entries
