//! The stage before the denoiser: the text encoder learns what captions say of their scenes.
//!
//! A denoiser that reads random vectors spends most of its pictures on learning to read. Captions cost nothing beside pictures, so
//! the encoder learns first to say, from its end tokens, which families, colours, objects and moods a caption names. As most
//! of a prompt's places are end tokens, cross-attention and pooled words then meet that answer wherever they look.

use super::autoencoder::HELD_OUT;
use super::ember;
use super::optimizer::{Optimizer, OptimizerConfig};
use super::shards::Shards;
use super::train::{Budget, Observe, Options, Progress, Reports, schedule};
use crate::corpus::captions::{caption, extreme};
use crate::corpus::colour::to_oklab;
use crate::corpus::objects::OBJECTS;
use crate::corpus::palettes::{COLOURS, MOODS, PALETTES, PaletteChoice};
use crate::corpus::rng::Rng;
use crate::corpus::{Painter, SceneDescription, families::Family};
use crate::model::Init;
use crate::model::checkpoint::{Precision, save};
use crate::model::clip_text::{ClipText, ClipTextConfig};
use crate::model::layers::Linear;
use crate::model::tokenizer::Tokenizer;
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

/// Scenes painted before the first step; each gives a fresh caption whenever it is drawn.
const FIRST: usize = 4096;
/// Scenes painted at a time while training goes on.
const MORE: usize = 32;
/// Side of their pictures, pixels: only the measured attributes are taken from them.
const SIDE: usize = 32;
/// Colours of a palette that are asked for.
const TONES: usize = 5;
/// Yes-or-no answers: families, palettes and colours, moods, objects, their colour, treatments, positions, number, both ends of
/// each attribute.
const FLAGS: usize = 16 + PALETTES.len() + COLOURS.len() + MOODS.len() + OBJECTS.len() + COLOURS.len() + 4 + 5 + 3 + 10;
/// All answers: the flags, then the palette in Oklab.
const ANSWERS: usize = FLAGS + 3 * TONES;

/// The encoder, and a linear layer that reads its end tokens; only the first is kept.
#[derive(Module, Debug)]
struct Reader {
    text: ClipText,
    answers: Linear,
}

/// What is true of a scene, `ANSWERS` long.
fn truth(scene: &SceneDescription) -> Vec<f32> {
    let one_hot =
        |n: usize, on: &[usize]| -> Vec<f32> { (0..n).map(|i| f32::from(u8::from(on.contains(&i)))).collect() };
    let mut all = scene.family_weights().to_vec();
    let (named, single) = match &scene.palette {
        PaletteChoice::Named(i) => (vec![*i], vec![]),
        PaletteChoice::Single(i) => (vec![], vec![*i]),
        PaletteChoice::Pair(i, j) => (vec![], vec![*i, *j]),
    };
    all.extend(one_hot(PALETTES.len(), &named));
    all.extend(one_hot(COLOURS.len(), &single));
    all.extend(one_hot(MOODS.len(), scene.mood.as_slice()));
    let of = |f: &dyn Fn(&crate::corpus::scene::PlacedObject) -> Option<usize>| -> Vec<usize> {
        scene.objects.iter().filter_map(f).collect()
    };
    all.extend(one_hot(OBJECTS.len(), &of(&|o| Some(o.object))));
    all.extend(one_hot(COLOURS.len(), &of(&|o| o.colour)));
    all.extend(one_hot(4, &of(&|o| crate::corpus::scene::Treatment::ALL.iter().position(|t| *t == o.treatment))));
    all.extend(one_hot(5, &of(&|o| crate::corpus::scene::Position::ALL.iter().position(|p| *p == o.position))));
    all.extend((1..=3).map(|n| f32::from(u8::from(scene.objects.len() == n))));
    for value in scene.measured.values() {
        all.extend(one_hot(2, extreme(value).as_slice()));
    }
    let colours = scene.palette.colours();
    for i in 0..TONES {
        let colour = colours.get(i * colours.len().saturating_sub(1) / (TONES - 1)).copied().unwrap_or_default();
        all.extend(to_oklab(colour));
    }
    all
}

/// Paints scenes `first..first + count`, small.
fn scenes(painter: &Painter, first: u64, count: usize) -> Vec<SceneDescription> {
    (0..count as u64).into_par_iter().map(|i| painter.paint(first + i, SIDE).scene).collect()
}

/// Answers of the first and of the last end token, `[2 n, ANSWERS]`.
fn read(reader: &Reader, tokens: &[Vec<u32>], config: &ClipTextConfig) -> Result<Tensor<2>> {
    let (n, width) = (tokens.len(), config.hidden_size);
    let encoded = reader.text.forward(tokens, config.eos_token_id)?;
    let last = encoded.last_hidden_state.slice([0..n, ember::TOKENS - 1..ember::TOKENS, 0..width]);
    let ends = Tensor::cat(vec![encoded.pooled, last.reshape([n, width])], 0);
    Ok(reader.answers.forward(ends))
}

/// Cross entropy of the flags and squared error of the colours, summed over the answers.
fn loss(answers: Tensor<2>, truths: &[f32], device: &Device) -> Tensor<1> {
    let n = answers.dims()[0];
    let twice: Vec<f32> = truths.iter().chain(truths).copied().collect();
    let truth = Tensor::<2>::from_data(TensorData::new(twice, [n, ANSWERS]), device);
    let (x, y) = (answers.clone().slice([0..n, 0..FLAGS]), truth.clone().slice([0..n, 0..FLAGS]));
    // log(1 + e^x) - x y, without overflow.
    let soft = x.clone().clamp_min(0.0) + ((x.clone().abs() * -1.0).exp() + 1.0).log();
    let flags = (soft - x * y).sum();
    let colours = (answers.slice([0..n, FLAGS..ANSWERS]) - truth.slice([0..n, FLAGS..ANSWERS])).square().sum();
    (flags + colours * 4.0) / n as f32
}

/// Trains the text encoder; writes `tokenizer/`, `text_encoder/` and `words.state.safetensors`.
pub fn train(options: &Options, observe: Observe) -> Result<()> {
    let plain = &options.device;
    let device = plain.clone().autodiff();
    let painter = Painter::new(options.objects.as_deref())?;
    let tokens = ember::write_tokenizer(&options.out)?;
    ember::write_text_config(&options.out, tokens)?;
    let tokenizer = Tokenizer::open(&options.out.join("tokenizer"), ember::TOKENS)?;
    let (_, _, config) = ember::configs(tokens)?;

    let mut init = Init::new(&device, options.seed.wrapping_add(1));
    let mut model = Reader {
        text: ClipText::new(&mut init, &config)?.with_silent_ends(),
        answers: Linear::new(&mut init, config.hidden_size, ANSWERS),
    };
    let mut optimizer =
        Optimizer::new(&model, OptimizerConfig { weight_decay: 0.01, ema: 0.995, ..Default::default() });
    let state = options.out.join("words.state.safetensors");
    if options.resume && state.is_file() {
        model = optimizer.restore(model, &state)?;
    }

    let batch = options.batch.unwrap_or(64);
    let mut rng = Rng::new(options.seed ^ optimizer.steps().wrapping_mul(0x9e37_79b9));
    let mut next = options.seed.wrapping_mul(1 << 40) + (1 << 32) + optimizer.steps() * batch as u64;
    let budget = Budget::new(options.minutes, options.steps);
    let first = options.steps.map_or(FIRST, |steps| (steps as usize).saturating_mul(batch).clamp(MORE, FIRST));
    let mut known = scenes(&painter, next, first);
    next += first as u64;

    let peak = options.learning_rate.unwrap_or(1e-3);
    let mut reports = Reports::new("words", 20.0, budget, optimizer.steps());
    let mut shards = Shards::new(&model, plain, batch)?;
    loop {
        let step = optimizer.steps();
        let done = budget.done(step);
        if done >= 1.0 || (options.stop)() {
            break;
        }
        if step.is_multiple_of(4) && done < 0.95 {
            known.extend(scenes(&painter, next, MORE));
            next += MORE as u64;
        }
        let share = batch / shards.count();
        let parts: Vec<(Vec<Vec<u32>>, Vec<f32>)> = (0..shards.count())
            .map(|_| {
                let drawn = (0..share).map(|_| {
                    let scene = &known[rng.below(known.len())];
                    let words = if rng.chance(0.03) { String::new() } else { caption(scene, &mut rng) };
                    (tokenizer.encode(&words).ids, truth(scene))
                });
                let (tokens, truths): (Vec<_>, Vec<_>) = drawn.unzip();
                (tokens, truths.concat())
            })
            .collect();
        let (mean, norm) = shards.step(&mut optimizer, schedule(peak, step, done), |model, shard| {
            let (tokens, truths) = &parts[shard];
            Ok(loss(read(model, tokens, &config)?, truths, &device))
        })?;
        let now = (optimizer.steps(), done);
        if !reports.step(now, (mean, batch), || Some(("gradient norm", norm)), observe) {
            break;
        }
    }
    optimizer.save(&state)?;
    let averaged = optimizer.averaged(model).valid();
    let folder = options.out.join("text_encoder");
    std::fs::create_dir_all(&folder).map_err(|e| Error::io("create", &folder, e))?;
    save(&averaged.text, "text_model.", &folder.join("model.safetensors"), Precision::ShortF16(6))?;

    let (loss, read) = judge(&averaged, &tokenizer, &config, &painter, plain)?;
    observe(Progress {
        stage: "words",
        step: optimizer.steps(),
        loss,
        extra: Some(("share of objects and families read", read)),
        speed: 0.0,
        done: 1.0,
        seconds_left: Some(0.0),
    });
    Ok(())
}

/// Loss on captions of scenes that are never trained on, and the share of them of which one of their objects, or without any their
/// family, stands first among the answers.
fn judge(
    reader: &Reader,
    tokenizer: &Tokenizer,
    config: &ClipTextConfig,
    painter: &Painter,
    device: &Device,
) -> Result<(f32, f32)> {
    let held_out = scenes(painter, HELD_OUT + 9000, 256);
    let mut rng = Rng::new(78);
    let words: Vec<String> = held_out.iter().map(|scene| caption(scene, &mut rng)).collect();
    let tokens: Vec<Vec<u32>> = words.iter().map(|words| tokenizer.encode(words).ids).collect();
    let truths: Vec<f32> = held_out.iter().flat_map(truth).collect();
    let answers = read(reader, &tokens, config)?;
    let loss = loss(answers.clone(), &truths, device).into_scalar::<f32>();
    let answers: Vec<f32> = answers
        .into_data()
        .try_into_vec()
        .map_err(|e| Error::failed(format!("The device did not hand the answers back ({e:?}).")))?;
    let highest = |row: &[f32]| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(0);
    let objects = Family::ALL.len() + PALETTES.len() + COLOURS.len() + MOODS.len();
    let mut right = 0;
    for (scene, row) in held_out.iter().zip(answers.chunks_exact(ANSWERS)) {
        right += usize::from(if scene.objects.is_empty() {
            highest(&row[..Family::ALL.len()]) == scene.families[0].0.index()
        } else {
            let named = highest(&row[objects..objects + OBJECTS.len()]);
            scene.objects.iter().any(|o| o.object == named)
        });
    }
    Ok((loss, right as f32 / held_out.len().max(1) as f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_as_many_as_said_and_tell_scenes_apart() {
        let scenes = scenes(&Painter::new(None).unwrap(), 7, 12);
        let truths: Vec<Vec<f32>> = scenes.iter().map(truth).collect();
        for (scene, truth) in scenes.iter().zip(&truths) {
            assert_eq!(truth.len(), ANSWERS);
            assert!((truth[..16].iter().sum::<f32>() - 1.0).abs() < 1e-5, "{:?}", scene.families);
        }
        assert!(truths.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn the_loss_is_the_cross_entropy() {
        let device = Device::flex();
        let answers = Tensor::<2>::zeros([2, ANSWERS], &device);
        let truths = vec![0.0; ANSWERS];
        let ours: f32 = loss(answers, &truths, &device).into_scalar();
        let wanted = FLAGS as f32 * std::f32::consts::LN_2;
        assert!((ours - wanted).abs() < 1e-2, "{ours} {wanted}");
    }
}
