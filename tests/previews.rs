//! Previews of unfinished pictures: tiny decoders against diffusers (tests/reference/previews_golden.py), where they are found,
//! and the linear look that stands in for them.

#![allow(clippy::unwrap_used)] // a helper of a test may panic like the test itself

mod common;

use burn::tensor::{Device, Tensor, TensorData};
use common::golden;
use kiln::model::Init;
use kiln::model::tiny_decoder::TinyFile;
use kiln::pipeline::{Pipeline, PreviewImage};
use kiln::recipe::{Picture, Recipe};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

fn read(path: &Path) -> Tensors {
    let bytes = fs::read(path).unwrap();
    let float = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors();
    let tensor = |(key, t): &(String, TensorView<'_>)| {
        (key.clone(), t.shape().to_vec(), t.data().chunks_exact(4).map(float).collect())
    };
    tensors.iter().map(tensor).collect()
}

fn write(tensors: &Tensors, path: &Path) {
    let data: Vec<Vec<u8>> =
        tensors.iter().map(|(.., values)| values.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
    let views = tensors
        .iter()
        .zip(&data)
        .map(|((key, shape, _), data)| (key, TensorView::new(Dtype::F32, shape.clone(), data).unwrap()));
    safetensors::serialize_to_file(views, None, path).unwrap();
}

fn renamed(tensors: &Tensors, name: impl Fn(&str) -> String) -> Tensors {
    tensors.iter().map(|(key, shape, values)| (name(key), shape.clone(), values.clone())).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &target) } else { _ = fs::copy(entry.path(), target).unwrap() }
    }
}

fn picture(tensors: &Tensors, key: &str) -> Tensor<4> {
    let (_, shape, values) = tensors.iter().find(|(k, ..)| k == key).unwrap();
    Tensor::<4>::from_data(TensorData::new(values.clone(), shape.clone()), &Device::flex()).permute([0, 2, 3, 1])
}

fn values(tensor: Tensor<4>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

#[test]
fn tiny_decoders_agree_with_diffusers_in_every_layout() {
    let decoded = read(&golden("previews/decoded.safetensors"));
    let original = read(&golden("previews/taesd_decoder.safetensors"));
    let folder = tempfile::tempdir().unwrap();
    let mut paths = vec![golden("previews/taesd_decoder.safetensors"), golden("previews/folder")];
    paths.push(golden("previews/folder/diffusion_pytorch_model.safetensors"));
    // Names say nothing: only keys do.
    for (i, prefix) in ["decoder.", "taesd_decoder."].into_iter().enumerate() {
        let mut whole = renamed(&original, |key| format!("{prefix}{key}"));
        whole.push(("encoder.0.weight".into(), vec![1], vec![0.0]));
        paths.push(folder.path().join(format!("{i}.safetensors")));
        write(&whole, &paths[paths.len() - 1]);
    }
    for path in paths {
        let file = TinyFile::open(&path).unwrap().unwrap_or_else(|| panic!("{} not recognised", path.display()));
        assert_eq!((file.latent_channels(), file.upscale(), file.scaling()), (4, 8, (1.0, 0.0)));
        let decoder = file.load(&mut Init::new(&Device::flex(), 0)).unwrap();
        let ours = values(decoder.decode(picture(&decoded, "z")));
        let theirs = values(picture(&decoded, "picture"));
        let top = theirs.iter().fold(0.0f32, |a, b| a.max(b.abs()));
        let worst = ours.iter().zip(&theirs).fold(0.0f32, |a, (x, y)| a.max((x - y).abs()));
        assert!(ours.len() == theirs.len() && top > 1.0 && worst / top < 1e-4, "{}: {worst} of {top}", path.display());
    }
}

#[test]
fn what_is_no_tiny_decoder_is_passed_by_and_what_is_half_of_one_is_a_sentence() {
    let original = read(&golden("previews/taesd_decoder.safetensors"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taesd_decoder.safetensors");
    let opened = |tensors: &Tensors| {
        write(tensors, &path);
        TinyFile::open(&path).and_then(|file| file.map(|f| f.load(&mut Init::new(&Device::flex(), 0))).transpose())
    };
    assert!(opened(&original).unwrap().is_some());
    assert!(opened(&vec![("unet.x.lora_A.weight".into(), vec![1, 1], vec![0.0])]).unwrap().is_none());
    assert!(opened(&renamed(&original, |key| format!("encoder.{key}"))).unwrap().is_none());
    let refused = |tensors: Tensors, said: &str| {
        let message = opened(&tensors).err().unwrap_or_else(|| panic!("taken in spite of {said}")).message;
        assert!(message.contains("taesd_decoder.safetensors") && message.contains(said), "{message}");
        assert!(message.ends_with('.'), "{message}");
    };
    let without = |part: &str| original.iter().filter(|(key, ..)| !key.starts_with(part)).cloned().collect::<Tensors>();
    refused(without("4.conv.2.bias"), "lacks the weight 4.conv.2.bias");
    refused(without("7.weight"), "ends after layer 6");
    refused(without("19."), "ends after layer 19");
    let changed = |key: &str, change: &dyn Fn(&mut Vec<usize>, &mut Vec<f32>)| {
        let mut tensors = original.clone();
        let (_, shape, values) = tensors.iter_mut().find(|(k, ..)| k == key).unwrap();
        change(shape, values);
        tensors
    };
    refused(changed("3.conv.0.bias", &|_, values| values[0] = f32::NAN), "not numbers");
    refused(changed("12.weight", &|shape, _| shape.swap(0, 3)), "12.weight has shape");
    refused(changed("19.weight", &|shape, v| (shape[0], *v) = (1, v[..36].to_vec())), "1 channels");
    let mut more = original.clone();
    more.push(("4.norm.weight".into(), vec![1], vec![1.0]));
    refused(more, "further weights, such as 4.norm.weight");
    let bytes = fs::read(golden("previews/taesd_decoder.safetensors")).unwrap();
    for cut in [0, 7, 100, bytes.len() - 1] {
        fs::write(&path, &bytes[..cut]).unwrap();
        assert!(TinyFile::open(&path).unwrap_err().message.contains("damaged or not a checkpoint"));
    }
}

/// Ember without the linear look that its makers wrote down, in a folder of its own.
fn bare_ember(folder: &Path) -> PathBuf {
    let ember = folder.join("any name");
    copy(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/ember"), &ember);
    let path = ember.join("kiln.json");
    let mut extras: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    extras.as_object_mut().unwrap().remove("preview").unwrap();
    fs::write(path, extras.to_string()).unwrap();
    ember
}

fn load(path: &Path) -> Pipeline {
    Pipeline::load(path, &mut |_| {}).unwrap()
}

fn recipe(pipeline: &Pipeline, prompt: &str, seed: u64) -> Recipe {
    Recipe { prompt: prompt.into(), seed, width: 128, height: 128, steps: 6, ..pipeline.info().defaults.clone() }
}

/// A picture and its last preview.
fn draw(pipeline: &Pipeline, recipe: &Recipe) -> (Picture, PreviewImage) {
    let mut last = None;
    let picture = pipeline
        .generate(recipe, &mut |report| {
            last = report.preview(0).or(last.take());
            ControlFlow::Continue(())
        })
        .unwrap();
    (picture, last.unwrap())
}

/// RGB8 as the mean colours of `side` by `side` cells.
fn cells(rgb: &[u8], width: u32, side: u32) -> Vec<f64> {
    let step = width / side;
    let mut means = vec![0.0; (side * side * 3) as usize];
    for (i, pixel) in rgb.chunks_exact(3).enumerate() {
        let (x, y) = (i as u32 % width / step, i as u32 / width / step);
        for k in 0..3 {
            means[((y * side + x) * 3) as usize + k] += f64::from(pixel[k]) / f64::from(step * step);
        }
    }
    means
}

fn root_mean_square(a: &[f64], b: &[f64]) -> f64 {
    (a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
}

const WORDS: [&str; 4] = ["a red fox", "calm blue waves", "golden mosaic", "green leaves"];

#[test]
fn the_fitted_look_is_as_true_as_the_one_that_was_learnt_from_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let fitted = load(&bare_ember(folder.path()));
    assert!(fitted.prepare_looks().is_empty());
    let learnt = load(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/ember"));
    let off = |pipeline: &Pipeline| {
        let misses = WORDS.iter().zip(1..).map(|(words, seed)| {
            let (picture, look) = draw(pipeline, &recipe(pipeline, words, seed));
            assert_eq!((look.width, look.height), (8, 8));
            root_mean_square(&cells(&picture.rgb, 128, 8), &cells(&look.rgb, 8, 8))
        });
        misses.sum::<f64>() / WORDS.len() as f64
    };
    let (own, theirs) = (off(&fitted), off(&learnt));
    println!("off by {own:.2} of 255 when fitted, by {theirs:.2} when learnt from pictures");
    assert!(own < 12.0 && own < theirs + 4.0, "{own} against {theirs}");
}

#[test]
fn the_fitted_look_is_the_same_whatever_picture_it_is_first_used_for() {
    let look = |seamless: &[bool]| {
        let pipeline = load(&golden("tiny_sd"));
        let recipe = |seamless| Recipe {
            prompt: "a fox".into(),
            width: 64,
            height: 64,
            steps: 2,
            seamless,
            ..pipeline.info().defaults.clone()
        };
        let looks: Vec<PreviewImage> = seamless.iter().map(|s| draw(&pipeline, &recipe(*s)).1).collect();
        looks[looks.len() - 1].clone()
    };
    let alone = look(&[false]);
    assert_eq!(alone, look(&[true, false]));
    assert!(alone.rgb.iter().max().zip(alone.rgb.iter().min()).is_some_and(|(a, b)| a - b > 20), "it shows something");
}

/// A tiny decoder that draws each latent of Ember as a square of the colour that a linear look gives it.
fn squares(look: &[Vec<f32>], bias: &[f32]) -> Tensors {
    let (latent, width) = (look.len(), 2 * look.len());
    let conv = |outputs: usize, inputs: usize, centre: &dyn Fn(usize, usize) -> f32| {
        let mut values = vec![0.0; outputs * inputs * 9];
        for o in 0..outputs {
            for i in 0..inputs {
                values[(o * inputs + i) * 9 + 4] = centre(o, i);
            }
        }
        (vec![outputs, inputs, 3, 3], values)
    };
    let mut tensors: Tensors = Vec::new();
    let mut add = |number: String, (shape, values): (Vec<usize>, Vec<f32>), bias: Option<Vec<f32>>| {
        if let Some(bias) = bias {
            tensors.push((format!("{number}.bias"), vec![shape[0]], bias));
        }
        tensors.push((format!("{number}.weight"), shape, values));
    };
    // What is above and what is below zero, side by side, as every layer cuts off what is below.
    let split = |o: usize, i: usize| if o / 2 == i { [1.0, -1.0][o % 2] } else { 0.0 };
    add("1".into(), conv(width, latent, &split), Some(vec![0.0; width]));
    for place in [0, 2, 4] {
        add(format!("3.conv.{place}"), conv(width, width, &|_, _| 0.0), Some(vec![0.0; width]));
    }
    for level in 0..4 {
        let same = |o: usize, i: usize| if o == i { 1.0 } else { 0.0 };
        add((5 + 2 * level).to_string(), conv(width, width, &same), None);
    }
    let colour = |k: usize, i: usize| look[i / 2][k] * [0.5, -0.5][i % 2];
    add("12".into(), conv(3, width, &colour), Some(bias.iter().map(|b| (b + 1.0) / 2.0).collect()));
    tensors
}

#[test]
fn a_tiny_decoder_beside_the_checkpoint_shows_the_whole_picture_and_a_strange_one_is_said() {
    let shipped = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/ember");
    let extras: Value = serde_json::from_str(&fs::read_to_string(shipped.join("kiln.json")).unwrap()).unwrap();
    let matrix: Vec<Vec<f32>> = serde_json::from_value(extras["preview"]["matrix"].clone()).unwrap();
    let bias: Vec<f32> = serde_json::from_value(extras["preview"]["bias"].clone()).unwrap();
    let own = squares(&matrix, &bias);
    // Of the same shapes, but of a family in which other channels mean these colours.
    let turned: Vec<Vec<f32>> = (0..matrix.len()).map(|i| matrix[(i + 1) % matrix.len()].clone()).collect();
    let other = squares(&turned, &bias);

    let folder = tempfile::tempdir().unwrap();
    let ember = bare_ember(folder.path());
    let made = |said: &[&str]| {
        let pipeline = load(&ember);
        let notices = pipeline.prepare_looks();
        assert_eq!(notices.len(), said.len(), "{notices:?}");
        for (notice, said) in notices.iter().zip(said) {
            assert!(notice.contains(said) && notice.ends_with('.'), "{notice}");
        }
        assert!(pipeline.prepare_looks().is_empty(), "said once");
        draw(&pipeline, &recipe(&pipeline, WORDS[0], 1))
    };
    let (plain, small) = made(&[]);
    assert_eq!(small.width, 8);

    fs::create_dir(folder.path().join("VAE-approx")).unwrap();
    let right = folder.path().join("VAE-approx/a.safetensors");
    let wrong = folder.path().join("some decoder.safetensors");
    write(&own, &right);
    write(&other, &wrong);
    let (picture, large) = made(&[]);
    assert_eq!(picture.rgb, plain.rgb, "looking changes nothing");
    assert_eq!((large.width, large.height), (128, 128));
    let off = root_mean_square(&cells(&large.rgb, 128, 8), &cells(&small.rgb, 8, 8));
    assert!(off < 12.0, "shows something else than the linear look: {off}");

    fs::remove_file(&right).unwrap();
    let (_, look) = made(&["another family"]);
    assert_eq!(look, small);
    // A decoder of four channels, as Stable Diffusion has them.
    fs::copy(golden("previews/taesd_decoder.safetensors"), &wrong).unwrap();
    assert_eq!(made(&["another family"]).1, small);
    fs::remove_file(&wrong).unwrap();

    // Damaged: said where a tiny decoder was meant, and nothing anyone hears of elsewhere.
    fs::write(&right, b"not a safetensors file").unwrap();
    fs::write(folder.path().join("notes.safetensors"), b"neither").unwrap();
    assert_eq!(made(&["a.safetensors is damaged"]).1, small);
    let mut part = own.clone();
    part.retain(|(key, ..)| key != "3.conv.2.bias");
    write(&part, &right);
    assert_eq!(made(&["lacks the weight 3.conv.2.bias"]).1, small);

    // As diffusers lays it out, in a folder beside the checkpoint.
    fs::remove_file(&right).unwrap();
    let home = folder.path().join("a tiny one");
    copy(&golden("previews/folder"), &home);
    let json = home.join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    for (key, value) in [("latent_channels", Value::from(16)), ("num_decoder_blocks", vec![1, 0, 0, 0, 0].into())] {
        config[key] = value;
    }
    for key in ["encoder_block_out_channels", "decoder_block_out_channels"] {
        config[key] = vec![32; 5].into();
    }
    config["num_encoder_blocks"] = vec![1; 5].into();
    // Latents of half the size mean the same there.
    config["scaling_factor"] = 2.0.into();
    fs::write(&json, config.to_string()).unwrap();
    let theirs: Tensors = renamed(&own, |key| {
        let (number, rest) = key.split_once('.').unwrap();
        format!("decoder.layers.{}.{rest}", number.parse::<usize>().unwrap() - 1)
    });
    let double = |(key, shape, values): &(String, Vec<usize>, Vec<f32>)| {
        let first = key == "decoder.layers.0.weight";
        (key.clone(), shape.clone(), values.iter().map(|v| if first { v * 2.0 } else { *v }).collect())
    };
    let doubled: Tensors = theirs.iter().map(double).collect();
    write(&doubled, &home.join("diffusion_pytorch_model.safetensors"));
    let (_, look) = made(&[]);
    assert_eq!((look.width, look.height), (128, 128));
}
