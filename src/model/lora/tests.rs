//! Adapters against the layers that they stand for.

use super::*;
use crate::model::Init;
use crate::model::layers::{Conv2d, Linear};
use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView};
use std::path::{Path, PathBuf};

#[derive(Module, Debug)]
struct Small {
    conv_in: Conv2d,
    to_out: Linear,
}

fn small() -> Small {
    let mut init = Init::new(&Device::flex(), 1);
    Small { conv_in: Conv2d::new(&mut init, 3, 5, 3), to_out: Linear::new(&mut init, 6, 4) }
}

fn numbers(count: usize, salt: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 37 + salt * 11) % 23) as f32 / 23.0 - 0.5).collect()
}

fn write(folder: &Path, tensors: &[(&str, Vec<usize>, Vec<f32>)]) -> PathBuf {
    let path = folder.join("a.safetensors");
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|t| t.2.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((key, shape, _), b)| (*key, TensorView::new(Dtype::F32, shape.clone(), b).unwrap()));
    safetensors::serialize_to_file(views, None, &path).unwrap();
    path
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec().unwrap()
}

fn close<const D: usize>(a: Tensor<D>, b: Tensor<D>) {
    let worst = values(a).iter().zip(values(b)).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
    assert!(worst < 1e-5, "off by {worst}");
}

/// A convolution without bias from weights on disk, `[out, in, k, k]`.
fn conv(x: Tensor<4>, weight: &[f32], [o, i, k]: [usize; 3]) -> Tensor<4> {
    let weight = Tensor::<4>::from_data(TensorData::new(weight.to_vec(), [o, i, k, k]), &Device::flex());
    crate::kernels::conv2d(x, weight.permute([2, 3, 1, 0]), None, 1, (k / 2, k / 2))
}

#[test]
fn a_convolution_with_a_middle_is_the_three_after_one_another() {
    let folder = tempfile::tempdir().unwrap();
    let (down, mid, up) = (numbers(2 * 3, 1), numbers(2 * 2 * 9, 2), numbers(5 * 2, 3));
    let path = write(
        folder.path(),
        &[
            ("lora_unet_conv_in.lora_down.weight", vec![2, 3, 1, 1], down.clone()),
            ("lora_unet_conv_in.lora_mid.weight", vec![2, 2, 3, 3], mid.clone()),
            ("lora_unet_conv_in.lora_up.weight", vec![5, 2, 1, 1], up.clone()),
            ("lora_unet_conv_in.alpha", vec![1], vec![3.0]),
        ],
    );
    let adapter = Adapter::open(&path).unwrap();
    let base = small();
    let (merged, found) = merge::merge(&base, Part::Unet, &[(&adapter, 0.5)], &|_| Vec::new()).unwrap();
    assert_eq!(found.len(), 1);
    let x = Tensor::<4>::random([1, 6, 7, 3], Distribution::Default, &Device::flex());
    let by_hand = conv(conv(conv(x.clone(), &down, [2, 3, 1]), &mid, [2, 2, 3]), &up, [5, 2, 1]) * (0.5 * 3.0 / 2.0);
    close(merged.conv_in.forward(x.clone()), base.conv_in.forward(x) + by_hand);
    assert_eq!(values(merged.to_out.weight.val()), values(base.to_out.weight.val()), "what nobody names stays");
}

#[test]
fn what_is_saved_is_opened_and_applied() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.safetensors");
    let (a, b) = (numbers(6 * 2, 4), numbers(2 * 4, 5));
    let layer = Trained {
        part: Part::Unet,
        path: "to_out.0".into(),
        a: a.clone(),
        b: b.clone(),
        rank: 2,
        alpha: 5.0,
        kernel: None,
    };
    save(std::slice::from_ref(&layer), &[("base", "tiny")], &path).unwrap();
    let weights = crate::model::checkpoint::Weights::open(&path).unwrap();
    assert_eq!(weights.shape("unet.to_out.0.lora_A.weight"), Some(&[2, 6][..]));
    assert_eq!(weights.shape("unet.to_out.0.lora_B.weight"), Some(&[4, 2][..]));
    assert_eq!(weights.note("base"), Some("tiny"));
    let adapter = Adapter::open(&path).unwrap();
    assert_eq!(adapter.ranks(), (2, 2));
    let base = small();
    let (merged, _) = merge::merge(&base, Part::Unet, &[(&adapter, -1.0)], &|_| Vec::new()).unwrap();
    let tensor =
        |values: Vec<f32>, shape: [usize; 2]| Tensor::<2>::from_data(TensorData::new(values, shape), &Device::flex());
    let delta = tensor(a, [6, 2]).matmul(tensor(b, [2, 4])) * (5.0 / 2.0);
    close(merged.to_out.weight.val(), base.to_out.weight.val() - delta);
    let odd = Trained { rank: 5, ..layer };
    assert!(save(&[odd], &[], &path).unwrap_err().message.contains("to_out.0"));
}

#[test]
fn every_spelling_of_a_layer_is_the_same_layer() {
    use keys::{Role, parse};
    let to_q = "mid_block_attentions_0_transformer_blocks_0_attn1_to_q";
    let dotted = "mid_block.attentions.0.transformer_blocks.0.attn1";
    for (key, role) in [
        (format!("lora_unet_{to_q}.lora_down.weight"), Role::Down),
        (format!("unet.{dotted}.to_q.lora_B.weight"), Role::Up),
        (format!("base_model.model.{dotted}.to_q.lora_A.weight"), Role::Down),
        (format!("unet.{dotted}.to_q.lora.up.weight"), Role::Up),
        (format!("{dotted}.processor.to_q_lora.down.weight"), Role::Down),
        (format!("lora_unet_{to_q}.alpha"), Role::Alpha),
    ] {
        assert_eq!(parse(&key), Some((Part::Unet, to_q.to_string(), role)), "{key}");
    }
    let out = parse(&format!("unet.{dotted}.processor.to_out_lora.up.weight")).unwrap();
    assert_eq!(out.1, "mid_block_attentions_0_transformer_blocks_0_attn1_to_out_0");
    let words = "encoder_layers_0_self_attn_q_proj";
    for (key, part) in [
        ("lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight", Part::Text),
        ("lora_te1_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight", Part::Text),
        ("lora_te2_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight", Part::Text2),
        ("text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_B.weight", Part::Text),
        ("text_encoder_2.encoder.layers.0.self_attn.q_proj.lora_linear_layer.up.weight", Part::Text2),
        ("text_encoder.text_model.encoder.layers.0.self_attn.to_q_lora.up.weight", Part::Text),
    ] {
        assert_eq!(parse(key), Some((part, words.to_string(), Role::Up)), "{key}");
    }
    assert_eq!(parse("lora_unet_mid_block.hada_w1_a"), None);
}

#[test]
fn what_does_not_fit_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let layer = "lora_unet_to_out_0";
    let refused = |tensors: &[(&str, Vec<usize>)], expected: &str| {
        let tensors: Vec<_> = tensors
            .iter()
            .map(|(role, shape)| (format!("{layer}.{role}"), shape.clone(), numbers(shape.iter().product(), 1)))
            .collect();
        let named: Vec<_> = tensors.iter().map(|(key, shape, v)| (key.as_str(), shape.clone(), v.clone())).collect();
        let message = Adapter::open(&write(folder.path(), &named)).unwrap_err().message;
        assert!(message.contains(expected) && message.contains("a.safetensors"), "{message}");
    };
    refused(&[("lora_down.weight", vec![2, 6]), ("lora_up.weight", vec![4, 3])], "[2, 6] and [4, 3]");
    refused(&[("lora_down.weight", vec![2, 6])], "missing");
    refused(&[("lora_down.weight", vec![0, 6]), ("lora_up.weight", vec![4, 0])], "do not make a layer");
    refused(&[("lora_down.weight", vec![2, 6]), ("lora_up.weight", vec![4, 2]), ("alpha", vec![2])], "alpha");
    refused(&[("lora_down.weight", vec![2, 6]), ("lora_A.weight", vec![2, 6])], "two keys");
    refused(&[("dora_scale", vec![2, 6])], "DoRA");
    refused(&[("hada_w1_a", vec![2, 6])], "no LoRA");
    let wide = [
        ("lora_unet_to_out_0.lora_down.weight", vec![2, 7], numbers(14, 1)),
        ("lora_unet_to_out_0.lora_up.weight", vec![4, 2], numbers(8, 1)),
    ];
    let adapter = Adapter::open(&write(folder.path(), &wide)).unwrap();
    let message = merge::merge(&small(), Part::Unet, &[(&adapter, 1.0)], &|_| Vec::new()).unwrap_err().message;
    assert!(message.contains("7 to 4 channels") && message.contains("[6, 4]"), "{message}");
}

#[test]
fn dropped_ranks_are_silent_get_no_gradient_and_the_mean_is_the_whole() {
    use trainable::{Lora, frozen, targets};
    let device = Device::flex().autodiff();
    let base = small();
    let found = targets(&base);
    assert_eq!(found.len(), 1, "the convolution: the linear layer is in no transformer");
    let (rank, share) = (4, 0.25);
    let lora = Lora::new(&mut Init::new(&device, 2), &found, rank);
    // Up is zero at first.
    let optimizer_config = crate::tuning::optimizer::OptimizerConfig { ema: 0.0, ..Default::default() };
    let mut optimizer = crate::tuning::optimizer::Optimizer::new(&lora, optimizer_config);
    let ones: Vec<Option<Vec<f32>>> =
        lora.trained(&found).iter().map(|l| [&l.a, &l.b]).next().unwrap().map(|m| Some(numbers(m.len(), 3))).into();
    optimizer.apply(&ones, 0.5);
    let lora = optimizer.current(lora);
    let x = Tensor::<4>::random([1, 6, 7, 3], Distribution::Default, &device);
    let answer = |lora: &Lora| lora.apply(&frozen(&base), &found).conv_in.forward(x.clone());
    close(answer(&lora).inner(), answer(&lora.dropped(0.0, &mut || false)).inner());
    let silent = lora.dropped(share, &mut || true);
    close(answer(&silent).inner(), base.conv_in.forward(x.clone().inner()));

    // Every way to leave one of four out, which is what a share of a quarter does on average.
    let mut mean = Tensor::<4>::zeros([1, 6, 7, 5], &Device::flex());
    for out in 0..rank {
        let mut at = 0;
        let dropped = lora.dropped(share, &mut || {
            at += 1;
            at - 1 == out
        });
        let answer = answer(&dropped);
        mean = mean + answer.clone().inner() * (1.0 / rank as f32);
        let gradients = optimizer.take(&lora, &mut answer.square().mean().backward());
        let (down, up) = (gradients[0].as_ref().unwrap(), gradients[1].as_ref().unwrap());
        let of_rank = |r: usize| {
            let down: f32 = down.iter().skip(r).step_by(rank).map(|g| g.abs()).sum();
            let up: f32 = up.chunks(5).nth(r).unwrap().iter().map(|g| g.abs()).sum();
            (down, up)
        };
        for r in 0..rank {
            let (down, up) = of_rank(r);
            assert_eq!((down == 0.0, up == 0.0), (r == out, r == out), "rank {r} with {out} left out: {down} {up}");
        }
    }
    close(mean, answer(&lora).inner());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_shapes_are_answered(
        down in proptest::collection::vec(0usize..5, 0..6), up in proptest::collection::vec(0usize..5, 0..6),
        mid in proptest::option::of(proptest::collection::vec(0usize..5, 0..6))
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut tensors = vec![("lora_unet_conv_in.lora_down.weight", down), ("lora_unet_conv_in.lora_up.weight", up)];
        tensors.extend(mid.map(|shape| ("lora_unet_conv_in.lora_mid.weight", shape)));
        let tensors: Vec<_> =
            tensors.into_iter().map(|(k, s)| { let n = numbers(s.iter().product(), 1); (k, s, n) }).collect();
        if let Ok(adapter) = Adapter::open(&write(folder.path(), &tensors)) {
            let _ = merge::merge(&small(), Part::Unet, &[(&adapter, 1.0)], &|_| Vec::new());
        }
    }
}
