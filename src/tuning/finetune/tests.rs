//! Fine-tuning tiny random checkpoints: what is learnt, resumed, refused, left out.

use super::buckets::{buckets, cropped, fitting, jittered, mirrored};
use super::card::{Card, NOTE};
use super::exam::{CHECK, Exam, PROOF, mean};
use super::gather::{Duplicates, decode, gather};
use super::losses::{Loss, Part};
use super::pupil::{Answers, Pupil};
use super::*;
use crate::corpus::rng::Rng;
use crate::model::Init;
use crate::model::checkpoint::Weights;
use crate::model::lora::trainable::{Lora, frozen, targets};
use crate::model::lora::{Adapter, Part as Network, save};
use crate::pipeline::Pipeline;
use crate::tuning::optimizer::OptimizerKind;
use crate::{Error, ErrorKind, Result};
use burn::module::Module;
use burn::tensor::Tensor;
use image::{Rgb, RgbImage, Rgba, RgbaImage};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

fn tiny(name: &str) -> Pipeline {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/golden").join(name);
    Pipeline::load(&folder, &mut |_| {}).unwrap()
}

/// Discs of one colour each on another.
fn picture(i: u8, width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let (dx, dy) = (x as f32 / width as f32 - 0.5, y as f32 / height as f32 - 0.3 - f32::from(i) * 0.03);
        if dx.hypot(dy) < 0.2 + f32::from(i) * 0.01 { Rgb([220, 40 + 5 * i, 30]) } else { Rgb([20, 30, 120]) }
    })
}

fn fill(folder: &Path, count: u8) {
    for i in 0..count {
        picture(i, 64, 64).save(folder.join(format!("{i:02}.png"))).unwrap();
    }
}

fn options(images: &Path, out: &Path, steps: u64) -> Options {
    let settings = Settings {
        steps,
        rank: 4,
        batch: 4,
        warm_up: 2,
        patience: 0,
        resolution: Some(64),
        ..Settings::suited_to(100_000, OptimizerKind::AdamW, 8)
    };
    Options {
        lessons: Lessons::Pictures(images.into()),
        out: out.into(),
        settings,
        search: false,
        resume: false,
        write_captions: false,
        taste: None,
        stop: || false,
    }
}

fn quiet(pipeline: &Pipeline, options: &Options) -> Result<Outcome> {
    run(pipeline, options, &mut |_| Ok(()))
}

fn paths() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (images, out) = (folder.path().join("images"), folder.path().join("a.safetensors"));
    std::fs::create_dir(&images).unwrap();
    (folder, images, out)
}

#[test]
fn held_out_pictures_become_likelier_and_the_file_says_so() {
    for (name, optimizer) in [("tiny_pipeline", OptimizerKind::AdamW), ("tiny_sd", OptimizerKind::Adam)] {
        let (_folder, images, out) = paths();
        fill(&images, 8);
        let pipeline = tiny(name);
        let mut wanted = options(&images, &out, 40);
        wanted.settings.optimizer = optimizer;
        wanted.settings.learning_rate = 1e-2;
        let outcome = quiet(&pipeline, &wanted).unwrap();
        let evidence = outcome.card.evidence.unwrap();
        assert!(evidence.gain > 0.02 && evidence.is_gain, "{name}: {evidence:?}");
        let drawn = outcome.card.drawn.unwrap();
        assert!(drawn.pictures == 8 && drawn.variety.0 > 0.0 && drawn.variety.1 > 0.0, "{name}: {drawn:?}");
        assert!(drawn.colours.is_some_and(|(before, after)| before > 0.0 && after != before), "{name}: {drawn:?}");
        let weights = Weights::open(&out).unwrap();
        let card: Card = serde_json::from_str(weights.note(NOTE).unwrap()).unwrap();
        assert_eq!(card, outcome.card);
        assert_eq!((card.learnt, card.held_out, evidence.asked, evidence.apart), (6, 2, 1, true));

        // What was written is what was measured.
        let adapter = Adapter::open(&out).unwrap();
        let (merged, found) =
            crate::model::lora::merge::merge(pipeline.unet(), Network::Unet, &[(&adapter, 1.0)], &|_| Vec::new())
                .unwrap();
        assert_eq!(found.len(), targets(pipeline.unet()).len());
        let merged = Answers { unet: merged, hears: pipeline.clone() };
        let data = dataset::prepare(&images, &pipeline, &wanted.settings, &out, false, &mut |_| true).unwrap();
        let exam = Exam::new(&data.held_out, &pipeline, wanted.settings.seed, CHECK).unwrap();
        let again = mean(&exam.sit(&merged, &mut || false).unwrap());
        let best = card.best().unwrap();
        assert!((again - best).abs() < 1e-4 * best, "{again} {card:?}");
        let paths = |part: &[dataset::Example]| part.iter().map(|e| e.path.clone()).collect::<Vec<_>>();
        let (checks, proves) = (paths(&data.held_out), paths(&data.proof));
        assert!(proves.iter().all(|p| !checks.contains(p) && !paths(&data.learnt).contains(p)), "{proves:?}");
        // Of what proves, nothing was chosen: only another measurement gives the same number.
        let exam = Exam::new(&data.proof, &pipeline, wanted.settings.seed ^ 0x9700f, PROOF).unwrap();
        let again = mean(&exam.sit(&merged, &mut || false).unwrap());
        assert!((again - evidence.tuned).abs() < 1e-4 * evidence.tuned, "{again} {evidence:?}");
    }
}

#[test]
fn a_run_that_runs_away_ends_and_says_so() {
    let (_folder, images, out) = paths();
    fill(&images, 8);
    let pipeline = tiny("tiny_pipeline");
    let mut wanted = options(&images, &out, 100);
    wanted.settings.learning_rate = 3.0;
    let error = quiet(&pipeline, &wanted).unwrap_err().message;
    assert!(error.starts_with("Training ran away: at step 5 ") && error.ends_with("(--lr) than 3."), "{error}");
    assert!(!out.exists(), "what is worse than nothing is not written");
}

#[test]
fn it_ends_when_nothing_becomes_better_and_goes_on_only_with_more_patience() {
    let (_folder, images, out) = paths();
    fill(&images, 4);
    let pipeline = tiny("tiny_pipeline");
    let mut wanted = options(&images, &out, 100);
    (wanted.settings.learning_rate, wanted.settings.patience) = (1e-9, 2);
    // Checks are 5 steps apart: the first is the best, then two bring nothing.
    let first = quiet(&pipeline, &wanted).unwrap();
    assert_eq!((first.early, first.steps, first.card.step), (true, 15, 5));
    wanted.resume = true;
    let again = quiet(&pipeline, &wanted).unwrap();
    assert_eq!((again.early, again.steps, again.card.step), (true, 15, 5));
    wanted.settings.patience = 3;
    let more = quiet(&pipeline, &wanted).unwrap();
    assert_eq!((more.early, more.steps), (true, 20));
}

#[test]
fn every_loss_and_optimiser_moves_the_adapter_and_stays_finite() {
    let pipeline = tiny("tiny_pipeline");
    for (loss, optimizer) in [
        (LossKind::Perceptual, OptimizerKind::AdamW),
        (LossKind::Adversarial, OptimizerKind::AdamW),
        (LossKind::Mse, OptimizerKind::Sgd),
    ] {
        let (_folder, images, out) = paths();
        fill(&images, 5);
        let mut wanted = options(&images, &out, 12);
        wanted.settings = Settings {
            loss,
            optimizer,
            accumulate: 2,
            jitter: 0.1,
            learning_rate: Settings::suited_to(1, optimizer, 8).learning_rate,
            ..wanted.settings
        };
        let outcome = quiet(&pipeline, &wanted).unwrap();
        let (first, last) = (outcome.card.curve[0], outcome.card.curve[outcome.card.curve.len() - 1]);
        assert!(last.loss.is_finite() && last.held_out != first.held_out, "{loss:?} {optimizer:?}");
    }
}

/// One picture, and two.
fn parts(pipeline: &Pipeline) -> (Part, Part) {
    let example = {
        let (_folder, images, out) = paths();
        fill(&images, 2);
        dataset::prepare(&images, pipeline, &options(&images, &out, 1).settings, &out, false, &mut |_| true)
            .unwrap()
            .learnt
    };
    let clean = example[0].latent(0);
    let objective = objective::Objective::new(pipeline.schedule());
    let noise = crate::sampler::noise::TorchGenerator::new(3).randn(clean.len());
    let (w, h) = example[0].size;
    let one = Part {
        noise: noise.clone(),
        levels: vec![objective.at(0.2)],
        words: pipeline.words_of(&["a fox"]).unwrap(),
        captions: vec!["a fox".into()],
        shape: [1, h, w, pipeline.latent_channels()],
        clean: clean.clone(),
    };
    let two = Part {
        noise: noise.repeat(2),
        levels: vec![objective.at(0.2); 2],
        words: pipeline.words_of(&["a fox", "a fox"]).unwrap(),
        captions: vec!["a fox".into(); 2],
        shape: [2, h, w, pipeline.latent_channels()],
        clean: [clean, example[1].latent(0)].concat(),
    };
    (one, two)
}

#[test]
fn gradients_that_are_computed_again_are_those_that_were_remembered() {
    for (name, word, loss, preference) in [
        ("tiny_pipeline", None, LossKind::Adversarial, None),
        ("tiny_sd", None, LossKind::Perceptual, None),
        ("tiny_sd", None, LossKind::Mse, Some(Preference::Dpo { beta: 50.0 })),
        ("tiny_pipeline", Some(true), LossKind::Mse, None),
        ("tiny_sd", Some(false), LossKind::Mse, None),
    ] {
        let pipeline = tiny(name);
        let (_, part) = parts(&pipeline);
        let (_folder, images, out) = paths();
        let suited = Settings { loss, preference, ..options(&images, &out, 1).settings };
        let settings = match word {
            Some(true) => suited.for_word("<ink>", "fox", pipeline.info().word_spread),
            Some(false) => suited.for_full(),
            None => suited,
        };
        let part = match settings.word() {
            Some(word) => Part { captions: vec![format!("a {word}"); 2], ..part },
            None => part,
        };
        let pupil = Pupil::new(&pipeline, &settings, &out).unwrap();
        let mut student = pupil.student();
        let mut optimizer = crate::tuning::optimizer::Optimizer::new(&student, settings.optimizer_config());
        let loss = Loss::new(settings.loss, preference.map(|p| p.beta()), &pipeline).unwrap();
        // The first of an adapter's matrices has no slope before the second has moved.
        for last in [false, true] {
            let (learner, words) = pupil.learning(&student, &part.captions, 7).unwrap();
            let plain = loss.of(&learner.whole(), student.judge.as_ref(), &part, words).unwrap();
            let value: f32 = plain.clone().inner().into_scalar();
            let remembered = optimizer.take(&student, &mut plain.backward());
            if last {
                let (learner, words) = pupil.learning(&student, &part.captions, 7).unwrap();
                let mut again: Vec<Option<Vec<f32>>> = vec![None; remembered.len()];
                let mut take = |mut piece| crate::tuning::shards::add(&mut again, optimizer.take(&student, &mut piece));
                let found = loss.recomputed(&learner, student.judge.as_ref(), &part, words, &mut take).unwrap();
                assert!((found - value).abs() < 1e-5 * value.abs(), "{name}: {found} {value}");
                let largest = remembered.iter().flatten().flatten().fold(0.0f32, |most, g| most.max(g.abs()));
                assert!(largest > 0.0 && remembered.iter().flatten().count() == again.iter().flatten().count());
                for (a, b) in remembered.iter().flatten().flatten().zip(again.iter().flatten().flatten()) {
                    assert!((a - b).abs() < 2e-5 * largest, "{name} {settings:?}: {a} {b}, of {largest}");
                }
            } else {
                optimizer.apply(&remembered, 0.01);
                student = optimizer.current(student);
            }
        }
    }
}

#[test]
fn a_run_that_computes_again_learns_as_one_that_remembers() {
    let pipeline = tiny("tiny_sd");
    let (_folder, images, out) = paths();
    fill(&images, 6);
    let mut wanted = options(&images, &out, 20);
    wanted.settings.learning_rate = 1e-3;
    let remembered = quiet(&pipeline, &wanted).unwrap().card;
    wanted.out = out.with_file_name("b.safetensors");
    wanted.settings.checkpointing = true;
    let again = quiet(&pipeline, &wanted).unwrap().card;
    for (a, b) in remembered.curve.iter().zip(&again.curve) {
        let (x, y) = (a.held_out.unwrap(), b.held_out.unwrap());
        assert!(a.step == b.step && (x - y).abs() < 1e-3 * x && (a.loss - b.loss).abs() < 1e-3 * a.loss, "{a:?} {b:?}");
    }
}

#[test]
fn gradients_of_each_loss_are_those_of_its_slope() {
    let pipeline = tiny("tiny_sd");
    let found = targets(pipeline.unet());
    let device = pipeline.device().clone().autodiff();
    let (one, two) = parts(&pipeline);
    let unet = frozen(pipeline.unet());
    for (kind, beta) in [(LossKind::Mse, None), (LossKind::Perceptual, None), (LossKind::Mse, Some(50.0))] {
        let part = if beta.is_some() { &two } else { &one };
        let loss = Loss::new(kind, beta, &pipeline).unwrap();
        // Both matrices away from zero, else only one of them has a slope.
        let lora = Lora::new(&mut Init::new(&device, 5), &found, 2);
        let mut optimizer = crate::tuning::optimizer::Optimizer::new(
            &lora,
            crate::tuning::optimizer::OptimizerConfig { kind: OptimizerKind::AdamW, ..Default::default() },
        );
        let value = |lora: &Lora| loss.of(&lora.apply(&unet, &found), None, part, None).unwrap();
        if beta.is_some() {
            let untaught: f32 = value(&lora).inner().into_scalar();
            assert!((untaught - std::f32::consts::LN_2).abs() < 1e-4, "nothing is preferred yet: {untaught}");
        }
        let first = optimizer.take(&lora, &mut value(&lora).backward());
        optimizer.apply(&first, 0.02);
        let lora = optimizer.current(lora);
        let gradients = optimizer.take(&lora, &mut value(&lora).backward());
        let squares: f32 = gradients.iter().flatten().flatten().map(|g| g * g).sum();
        // One small step against the gradient, as plain descent takes it.
        let mut descent = crate::tuning::optimizer::Optimizer::new(
            &lora,
            crate::tuning::optimizer::OptimizerConfig {
                kind: OptimizerKind::Sgd,
                beta1: 0.0,
                beta2: 0.99,
                weight_decay: 0.0,
                clip_norm: 1e9,
                ema: 0.0,
            },
        );
        let before: f32 = value(&lora).inner().into_scalar();
        let rate = 2e-3 * before / squares;
        descent.apply(&gradients, rate);
        let after: f32 = value(&descent.current(lora)).inner().into_scalar();
        let ratio = (before - after) / (rate * squares);
        assert!((ratio - 1.0).abs() < 0.1, "{kind:?} {beta:?}: the loss fell by {ratio} of what its gradient says");
    }
}

/// Choices between pictures with a disc and those without one; the ones win.
fn choices(folder: &Path, count: u8) -> Vec<Choice> {
    (0..count)
        .map(|i| {
            let path = |what: &str| folder.join(format!("{what}{i}.png"));
            picture(i, 64, 64).save(path("disc")).unwrap();
            RgbImage::from_pixel(64, 64, Rgb([20, 30, 90 + 8 * i])).save(path("plain")).unwrap();
            let chosen = |path| Chosen { path, prompt: "a picture".into() };
            Choice { winner: chosen(path("disc")), loser: chosen(path("plain")), weight: 1.0, said: true }
        })
        .collect()
}

#[test]
fn what_was_preferred_becomes_likelier_than_what_was_not() {
    let pipeline = tiny("tiny_sd");
    for preference in [Preference::Dpo { beta: 100.0 }, Preference::Reward] {
        let (_folder, images, out) = paths();
        let mut wanted = options(&images, &out, 40);
        wanted.lessons = Lessons::Choices(Choices::split(choices(&images, 12), &wanted.settings));
        wanted.settings.preference = Some(preference);
        wanted.settings.learning_rate = 5e-3;
        let outcome = quiet(&pipeline, &wanted).unwrap();
        let evidence = outcome.card.evidence.unwrap();
        assert_eq!(outcome.card.choices, Some((9, 3)), "{preference:?}");
        assert!(evidence.apart && evidence.asked == 2, "one chose the step, two prove: {evidence:?}");
        assert!((evidence.base - std::f32::consts::LN_2).abs() < 1e-4, "{evidence:?}");
        if preference == Preference::Reward {
            // Plain pictures are easier and become likelier, too: no gain, and it says so.
            assert!(!evidence.is_gain && evidence.sentence().contains("No gain"), "{evidence:?}");
            continue;
        }
        assert_eq!(evidence.agrees, Some((2, 2)), "{evidence:?}");
        assert!(evidence.sentence().starts_with("It agrees with 2 of 2"), "{}", evidence.sentence());
    }
}

#[test]
fn a_search_finds_settings_that_are_no_worse_and_leaves_no_files() {
    let (_folder, images, out) = paths();
    fill(&images, 8);
    let pipeline = tiny("tiny_sd");
    let mut wanted = options(&images, &out, 10);
    wanted.search = true;
    // Far too low: something else must win.
    wanted.settings.learning_rate = 1e-4;
    let (mut tried, mut found) = (Vec::new(), None);
    let outcome = run(&pipeline, &wanted, &mut |event| {
        match event {
            Event::Tried(trial) => tried.push(trial),
            Event::Found(settings) => found = Some(settings),
            _ => {}
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(tried.iter().map(|t| t.round).collect::<Vec<_>>(), [vec![1; 9], vec![2; 3], vec![3]].concat());
    let found = found.unwrap();
    let best = tried[..9].iter().filter_map(|t| t.held_out).fold(f32::INFINITY, f32::min);
    assert!(tried[0].held_out.unwrap() > best && found.learning_rate > 1e-4, "{tried:?}");
    assert_eq!((outcome.card.settings, outcome.steps), (*found, 10));
    let left: Vec<_> = std::fs::read_dir(out.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("search")), "{left:?}");
}

#[test]
fn choices_that_cannot_be_learnt_from_are_said() {
    let pipeline = tiny("tiny_sd");
    let (_folder, images, out) = paths();
    let mut wanted = options(&images, &out, 4);
    wanted.settings.preference = Some(Preference::Dpo { beta: 100.0 });
    let mut given = choices(&images, 3);
    std::fs::write(&given[0].loser.path, b"no picture").unwrap();
    picture(1, 128, 64).save(&given[1].winner.path).unwrap();
    wanted.lessons = Lessons::Choices(Choices { learnt: given.clone(), ..Choices::default() });
    let mut told = (Vec::new(), Vec::new(), [0; 3]);
    run(&pipeline, &wanted, &mut |event| {
        if let Event::Prepared { left_out, notices, choices, .. } = event {
            told = (left_out, notices, choices);
        }
        Ok(())
    })
    .unwrap();
    assert_eq!((told.0.len(), told.2), (1, [1, 0, 0]));
    assert!(told.1[0].starts_with("1 choices are between pictures of different shapes"), "{:?}", told.1);
    assert!(told.1[1].contains("no proof"), "{:?}", told.1);
    given.truncate(1);
    wanted.lessons = Lessons::Choices(Choices { learnt: given, ..Choices::default() });
    let refused = quiet(&pipeline, &wanted).unwrap_err();
    assert!(refused.to_string().contains("no choice to learn from"), "{refused}");
    wanted.settings.loss = LossKind::Perceptual;
    assert_eq!(quiet(&pipeline, &wanted).unwrap_err().kind, ErrorKind::Usage);
}

#[test]
fn frozen_weights_share_memory_and_get_no_gradients() {
    let pipeline = tiny("tiny_sd");
    let unet = frozen(pipeline.unet());
    struct Tracked(usize);
    impl burn::module::ModuleVisitor for Tracked {
        fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
            self.0 += usize::from(param.val().is_require_grad());
        }
    }
    let mut tracked = Tracked(0);
    unet.visit(&mut tracked);
    assert_eq!(tracked.0, 0);
}

#[test]
fn a_step_of_a_new_word_is_torchs() {
    #[derive(serde::Deserialize)]
    struct Step {
        captions: Vec<String>,
        times: Vec<f64>,
        learning_rate: f32,
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/golden/inversion");
    let step: Step = serde_json::from_slice(&std::fs::read(golden.join("step.json")).unwrap()).unwrap();
    let file = Weights::open(&golden.join("step.safetensors")).unwrap();
    let of = |key: &str| file.tensor(key).unwrap().unwrap().1;
    let near = |ours: &[f32], theirs: &[f32], what: &str| {
        let size = theirs.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let off = ours.iter().zip(theirs).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(ours.len() == theirs.len() && off < 1e-4 * size, "{what}: off by {off} of {size}");
    };
    let pipeline = tiny("tiny_sd");
    let settings = Settings::suited_to(100_000, OptimizerKind::AdamW, 8).for_word("<ink>", "fox", 1.0);
    let pupil = Pupil::new(&pipeline, &settings, Path::new("unwritten.safetensors")).unwrap();
    let student = pupil.student();
    let mut optimizer = crate::tuning::optimizer::Optimizer::new(&student, settings.optimizer_config());
    let values =
        |student: &super::student::Student| crate::pipeline::values(student.word.clone().unwrap().val().inner());
    near(&values(&student).unwrap(), &of("first"), "the vector to begin with");
    let objective = objective::Objective::new(pipeline.schedule());
    let captions: Vec<&str> = step.captions.iter().map(String::as_str).collect();
    let part = Part {
        clean: of("clean"),
        noise: of("noise"),
        levels: step.times.iter().map(|t| objective.at((t + 0.5) / 1000.0)).collect(),
        words: pupil.before().hears.words_of(&captions).unwrap(),
        captions: step.captions.clone(),
        shape: [2, 8, 8, 4],
    };
    let loss = Loss::new(LossKind::Mse, None, &pipeline).unwrap();
    let (learner, words) = pupil.learning(&student, &part.captions, 0).unwrap();
    let value = loss.of(&learner.whole(), None, &part, words).unwrap();
    near(&[value.clone().inner().into_scalar()], &of("loss"), "the loss");
    let gradients = optimizer.take(&student, &mut value.backward());
    assert_eq!(gradients.len(), 1, "nothing but the word learns");
    near(gradients[0].as_ref().unwrap(), &of("gradient"), "the gradient");
    optimizer.apply(&gradients, step.learning_rate);
    near(&values(&optimizer.current(student)).unwrap(), &of("after"), "the vector after the step");
}

static LOOKED: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_word_or_a_whole_denoiser_learns_is_measured_as_written_and_goes_on() {
    let pipeline = tiny("tiny_pipeline");
    for word in [true, false] {
        let (folder, images, _) = paths();
        fill(&images, 8);
        let ending = if word { ".safetensors" } else { "" };
        let [out, other] = ["ink", "other"].map(|name| folder.path().join(format!("{name}{ending}")));
        let mut wanted = options(&images, &out, 20);
        let suited = wanted.settings.clone();
        wanted.settings = if word {
            suited.for_word("<ink>", "fox", pipeline.info().word_spread)
        } else {
            Settings { learning_rate: 1e-3, ..suited.for_full() }
        };
        let mut sizes = (0, 0);
        let outcome = run(&pipeline, &wanted, &mut |event| {
            if let Event::Prepared { layers, .. } = event {
                sizes = layers;
            }
            Ok(())
        })
        .unwrap();
        let evidence = outcome.card.evidence.unwrap();
        assert!(evidence.gain > 0.0 && evidence.apart, "{word}: {evidence:?}");
        let width = pipeline.vector_of("fox").unwrap().len();
        assert_eq!(sizes.1, if word { width } else { pipeline.unet().num_params() });

        let pupil = Pupil::new(&pipeline, &wanted.settings, &out).unwrap();
        let data = dataset::prepare(&images, &pipeline, &wanted.settings, &out, false, &mut |_| true).unwrap();
        assert_eq!(data.learnt[0].caption == "<ink>", word);
        let hears = pupil.before().hears;
        let exam = Exam::new(&data.held_out, &hears, wanted.settings.seed, CHECK).unwrap().heard_anew(word);
        let (before, again) = (pupil.before(), pupil.written().unwrap());
        let [before, again] = [before, again].map(|answers| mean(&exam.sit(&answers, &mut || false).unwrap()));
        let best = outcome.card.best().unwrap();
        // A checkpoint is written in halves.
        assert!(
            (again - best).abs() < if word { 1e-5 } else { 2e-3 } * best && again < before,
            "{again} {best} {before}"
        );

        // It draws, and otherwise than before.
        let mut recipe = pipeline.info().defaults.clone();
        recipe.prompt = "a <ink> fox".into();
        let draw = |pipeline: &Pipeline, recipe: &crate::recipe::Recipe| {
            pipeline.generate(recipe, &mut |_| std::ops::ControlFlow::Continue(())).unwrap().rgb
        };
        let plain = draw(&pipeline, &recipe);
        if word {
            let name = out.display().to_string();
            recipe.embeddings = vec![crate::recipe::EmbeddingRef { name, hash: String::new() }];
            assert_ne!(draw(&pipeline, &recipe), plain);
        } else {
            let tuned = Pipeline::load(&out, &mut |_| {}).unwrap();
            assert_eq!(
                (tuned.info().name.as_str(), tuned.info().sliders.len()),
                ("ink", pipeline.info().sliders.len())
            );
            assert_ne!(draw(&tuned, &recipe), plain);
            let refused = quiet(&pipeline, &wanted).unwrap_err();
            assert!(refused.message.contains("does not replace"), "{refused}");
        }

        // Stopped and gone on with, it is the same to the bit.
        let mut parted = Options { out: other.clone(), ..wanted.clone() };
        LOOKED.store(0, Ordering::Relaxed);
        parted.stop = || LOOKED.fetch_add(1, Ordering::Relaxed) > 17;
        let stopped = quiet(&pipeline, &parted).unwrap();
        assert!(stopped.stopped && (1..20).contains(&stopped.steps) && stopped.card.evidence.is_none());
        (parted.stop, parted.resume) = (|| false, true);
        let resumed = quiet(&pipeline, &parted).unwrap();
        assert_eq!((resumed.card.curve, resumed.card.evidence), (outcome.card.curve, outcome.card.evidence));
        let weights = |out: &Path| {
            let file = if word { out.into() } else { out.join("unet/diffusion_pytorch_model.safetensors") };
            let weights = Weights::open(&file).unwrap();
            let mut keys: Vec<String> = weights.keys().map(str::to_string).collect();
            keys.sort();
            keys.iter().map(|key| weights.tensor(key).unwrap().unwrap().1).collect::<Vec<_>>()
        };
        assert_eq!(weights(&out), weights(&other));
    }
}

#[test]
fn words_and_places_that_cannot_be_are_usage_errors() {
    let pipeline = tiny("tiny_pipeline");
    let (_folder, images, out) = paths();
    fill(&images, 1);
    let wanted = options(&images, &out, 1);
    let refused = |settings: Settings, out: &Path, said: &str| {
        let wanted = Options { settings, out: out.into(), ..wanted.clone() };
        let error = quiet(&pipeline, &wanted).unwrap_err();
        assert!(error.kind == ErrorKind::Usage && error.message.contains(said), "{error}");
    };
    let plain = || wanted.settings.clone();
    refused(plain().for_word("two words", "fox", 1.0), &out, "cannot be a word");
    refused(plain().for_word("", "fox", 1.0), &out, "cannot be a word");
    refused(plain().for_word("<ink>", "zebra", 1.0), &out, "does not know");
    refused(plain().for_full(), &out, "which is a folder");
    refused(plain().for_full(), &images, "does not replace");
}

static ASKED: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_run_that_was_stopped_goes_on_as_if_it_had_not_been() {
    let (_folder, images, out) = paths();
    fill(&images, 6);
    let pipeline = tiny("tiny_pipeline");
    let straight_out = out.with_file_name("straight.safetensors");
    let mut straight = options(&images, &straight_out, 15);
    straight.settings.loss = LossKind::Adversarial;
    straight.settings.rank_dropout = 0.3;
    let whole = quiet(&pipeline, &straight).unwrap();

    let mut parted = Options { out: out.clone(), ..straight.clone() };
    // Asked once a picture, once a question about the base, then once a step.
    parted.stop = || ASKED.fetch_add(1, Ordering::Relaxed) > 15;
    let stopped = quiet(&pipeline, &parted).unwrap();
    assert!(stopped.stopped && stopped.steps > 0 && stopped.steps < 15, "{}", stopped.steps);
    parted.stop = || false;
    parted.resume = true;
    let resumed = quiet(&pipeline, &parted).unwrap();
    assert_eq!(resumed.card.curve, whole.card.curve);
    let layers = |path: &Path| Adapter::open(path).unwrap().corrections;
    assert_eq!(layers(&out), layers(&straight_out), "bit for bit");

    let other = Options { settings: Settings { rank: 2, ..parted.settings.clone() }, ..parted.clone() };
    let error = quiet(&pipeline, &other).unwrap_err();
    assert!(error.message.contains("other settings"), "{error}");
    fill(&images, 7);
    let error = quiet(&pipeline, &parted).unwrap_err();
    assert!(error.message.contains("other pictures"), "{error}");
}

#[test]
fn a_folder_is_read_as_trainers_lay_it_out() {
    let (_folder, images, _) = paths();
    let inside = images.join("3_red_fox");
    std::fs::create_dir(&inside).unwrap();
    fill(&images, 2);
    picture(3, 80, 48).save(inside.join("a.jpg")).unwrap();
    std::fs::write(images.join("01.txt"), "\u{feff}a disc,\n calm ").unwrap();
    std::fs::write(images.join("notes.md"), "x").unwrap();
    std::fs::write(images.join("moving.gif"), "GIF89a").unwrap();
    std::fs::write(images.join(".hidden.png"), "x").unwrap();
    let (sources, left_out) = gather(&images).unwrap();
    let said: Vec<_> = sources.iter().map(|s| (s.caption.as_deref(), s.label.as_deref(), s.repeats)).collect();
    assert_eq!(said, [(None, None, 1), (Some("a disc, calm"), None, 1), (None, Some("red fox"), 3)]);
    assert_eq!(left_out.len(), 1);
    assert!(left_out[0].why.contains("GIF"), "{left_out:?}");
}

#[test]
fn damaged_and_doubled_files_are_named_and_every_other_kind_is_read() {
    let (_folder, images, out) = paths();
    fill(&images, 1);
    let path = |name: &str| images.join(name);
    picture(0, 64, 64).save(path("same.tiff")).unwrap();
    std::fs::write(path("broken.png"), &std::fs::read(path("00.png")).unwrap()[..60]).unwrap();
    std::fs::write(path("empty.jpg"), b"").unwrap();
    std::fs::write(path("words.webp"), b"not a picture").unwrap();
    let deep = image::ImageBuffer::<Rgb<u16>, Vec<u16>>::from_fn(40, 90, |x, _| Rgb([x as u16 * 1500, 9000, 60_000]));
    deep.save(path("deep.png")).unwrap();
    RgbaImage::from_fn(50, 50, |x, _| Rgba([200, 0, 0, (x * 5) as u8])).save(path("clear.png")).unwrap();
    image::GrayImage::from_fn(30, 30, |x, y| image::Luma([(x * y) as u8])).save(path("grey.png")).unwrap();
    let pipeline = tiny("tiny_pipeline");
    let settings = options(&images, &images, 1).settings;
    let data = dataset::prepare(&images, &pipeline, &settings, &out, false, &mut |_| true).unwrap();
    let why = |name: &str| {
        let found = data.left_out.iter().find(|l| l.path.ends_with(name));
        found.unwrap_or_else(|| panic!("{name} is not named")).why.clone()
    };
    assert!(why("same.tiff").contains("00.png"));
    assert!(why("broken.png").contains("damaged") && why("words.webp").contains("damaged"));
    assert!(why("empty.jpg").contains("empty"));
    assert_eq!(data.left_out.len(), 4);
    assert_eq!(data.learnt.len() + data.held_out.len(), 4);
    assert!(data.notices.iter().any(|n| n.contains("no caption")), "{:?}", data.notices);
    let clear = decode(&path("clear.png")).unwrap();
    assert_eq!(clear.rgb.get_pixel(0, 0).0, [255, 255, 255], "what is transparent lies on white");
}

#[test]
fn a_picture_that_lies_on_its_side_is_set_upright() {
    let (_folder, images, _) = paths();
    let path = images.join("a.jpg");
    picture(0, 48, 32).save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    // An APP1 segment behind the start marker: orientation 6, a quarter turn to the right.
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01".to_vec();
    exif.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0]);
    let mut turned = bytes[..2].to_vec();
    turned.extend([0xff, 0xe1]);
    turned.extend((exif.len() as u16 + 2).to_be_bytes());
    turned.extend(exif);
    turned.extend(&bytes[2..]);
    std::fs::write(&path, turned).unwrap();
    let upright = decode(&path).unwrap().rgb;
    assert_eq!((upright.width(), upright.height()), (32, 48));
}

#[test]
fn unusable_folders_are_sentences() {
    let (_folder, images, out) = paths();
    let pipeline = tiny("tiny_pipeline");
    let error = |options: &Options| -> Error { quiet(&pipeline, options).unwrap_err() };
    let wanted = options(&images, &out, 2);
    assert!(error(&wanted).message.contains("holds no pictures"), "{}", error(&wanted));
    std::fs::write(images.join("x.png"), b"x").unwrap();
    assert!(error(&wanted).message.contains("None of the 1 pictures"), "{}", error(&wanted));
    assert!(error(&options(&images.join("no"), &out, 2)).message.contains("There is no folder"));
    assert!(error(&options(&images, &out.with_extension("pt"), 2)).message.contains(".safetensors"));
    let rank = Options { settings: Settings { rank: 0, ..wanted.settings.clone() }, ..wanted.clone() };
    assert_eq!(error(&rank).kind, ErrorKind::Usage);
    // One picture is enough to learn from, but proves nothing.
    std::fs::remove_file(images.join("x.png")).unwrap();
    fill(&images, 1);
    let outcome = quiet(&pipeline, &wanted).unwrap();
    assert!(outcome.card.evidence.is_none() && out.is_file());
    // Five hold one out, which chooses the step and therefore proves nothing.
    fill(&images, 5);
    let card =
        quiet(&pipeline, &Options { settings: Settings { steps: 10, ..wanted.settings }, ..wanted }).unwrap().card;
    let evidence = card.evidence.unwrap();
    assert!(!evidence.apart && !evidence.is_gain && evidence.sentence().contains("no proof"), "{evidence:?}");
    assert_eq!(Some(evidence.tuned), card.best());
}

#[test]
fn shapes_find_their_buckets() {
    let all = buckets(256, 64);
    assert!(all.contains(&(256, 256)) && all.contains(&(192, 320)) && all.contains(&(320, 192)), "{all:?}");
    assert!(all.iter().all(|(w, h)| w % 64 == 0 && h % 64 == 0 && w * h <= 256 * 256));
    assert_eq!(fitting(&all, 3000, 3000), (256, 256));
    assert_eq!(fitting(&all, 1000, 10_000), (192, 320));
    let wide = picture(0, 300, 100);
    let rgb = cropped(&wide, (64, 64)).unwrap();
    assert_eq!(rgb.len(), 64 * 64 * 3);
    assert_eq!(mirrored(&mirrored(&rgb, 64), 64), rgb);
    assert_eq!(mirrored(&[1, 2, 3, 4, 5, 6], 2), [4, 5, 6, 1, 2, 3]);
    let moved = jittered(&rgb, 0.1, &mut Rng::new(1));
    let off = rgb.iter().zip(&moved).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(off > 0 && off < 90, "{off}");
}

#[test]
fn a_copy_in_another_format_is_a_duplicate_and_a_sibling_is_none() {
    let (_folder, images, _) = paths();
    let (mut seen, path) = (Duplicates::default(), images.join("a.png"));
    let load = |picture: &RgbImage, name: &str| {
        let path = images.join(name);
        picture.save(&path).unwrap();
        decode(&path).unwrap()
    };
    assert_eq!(seen.earlier(&path, &load(&picture(1, 64, 64), "a.png")), None);
    assert_eq!(seen.earlier(&path, &load(&picture(2, 64, 64), "b.png")), None);
    assert_eq!(seen.earlier(&path, &load(&picture(1, 64, 64), "c.webp")), Some(path.clone()));
}

#[test]
fn convolutions_are_written_as_they_are_applied() {
    let pipeline = tiny("tiny_sd");
    let found = targets(pipeline.unet());
    let plain = pipeline.device().clone();
    let lora = Lora::new(&mut Init::new(&plain, 9), &found, 3);
    let mut layers = lora.trained(&found);
    // Up is zero at first; anything else shows whether down lies right.
    layers.iter_mut().for_each(|l| l.b.iter_mut().enumerate().for_each(|(i, v)| *v = (i % 7) as f32 * 0.01 - 0.03));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    save(&layers, &[], &path).unwrap();
    let adapter = Adapter::open(&path).unwrap();
    let again = crate::model::lora::trainable::reread(&adapter, &found).unwrap();
    assert_eq!(again, layers);
    let weights = Weights::open(&path).unwrap();
    assert_eq!(weights.shape("unet.conv_in.lora_A.weight").unwrap(), [3, 4, 3, 3]);
    assert_eq!(weights.shape("unet.conv_in.lora_B.weight").unwrap(), [8, 3, 1, 1]);
}
