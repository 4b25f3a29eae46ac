//! Whole trajectories and seeded noise against diffusers and torch (tests/reference/sampler_golden.py).

use super::noise::TorchGenerator;
use super::schedule::SchedulerConfig;
use super::{SamplerKind, build};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    draws: Vec<Draw>,
    big: Vec<f32>,
}

#[derive(Deserialize)]
struct Case {
    sampler: String,
    config: SchedulerConfig,
    steps: usize,
    seed: u64,
    timesteps: Vec<f32>,
    points: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Draw {
    seed: u64,
    n: usize,
    values: Vec<f32>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../tests/reference/golden/sampler.json")).unwrap()
}

#[test]
fn trajectories_agree() {
    let mut failures = Vec::new();
    for case in golden().cases {
        let name = format!("{} {:?} {} steps", case.sampler, case.config.timestep_spacing, case.steps);
        let name = format!("{name} {:?} shift {}", case.config.prediction(), case.config.shift);
        let kind: SamplerKind = case.sampler.parse().unwrap();
        let mut solver = build(kind, &case.config, case.steps).unwrap();
        assert_eq!(solver.steps(), case.points.len(), "{name}");
        let mut generator = TorchGenerator::new(case.seed);
        let mut x = generator.randn(case.points[0].len());
        x.iter_mut().for_each(|v| *v *= solver.initial_scale());
        for (i, expected) in case.points.iter().enumerate() {
            let t = solver.timestep(i);
            if (t - case.timesteps[i]).abs() > 1e-2 {
                failures.push(format!("{name}: step {i} at time {t} instead of {}", case.timesteps[i]));
                break;
            }
            let scale = solver.input_scale(i);
            let wave = 0.3 * (0.01 * t).sin();
            let output: Vec<f32> = x.iter().map(|v| (0.7 * v * scale + wave).tanh()).collect();
            solver.step(i, &mut x, &output, &mut |n| generator.randn(n));
            let top = expected.iter().fold(0.0f32, |a, b| a.max(b.abs()));
            let worst = x.iter().zip(expected).fold(0.0f32, |a, (x, y)| a.max((x - y).abs()));
            if worst / top > 1e-4 {
                failures.push(format!("{name}: step {i} off by {worst} of {top}"));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn noise_is_torchs() {
    let golden = golden();
    for draw in golden.draws {
        let mut generator = TorchGenerator::new(draw.seed);
        let mut ours = generator.randn(draw.n);
        ours.extend(generator.randn(draw.n));
        for (a, b) in ours.iter().zip(&draw.values) {
            assert!((a - b).abs() <= 2e-6, "seed {} n {}: {a} instead of {b}", draw.seed, draw.n);
        }
    }
    let big = TorchGenerator::new(5).randn(16_384);
    for (a, b) in big.iter().step_by(1024).zip(&golden.big) {
        assert!((a - b).abs() <= 2e-6);
    }
}

#[test]
fn adding_noise_and_stepping_to_the_end_returns_the_clean_latent() {
    // A model that knows the truth: every solver must land on it from any starting step.
    let clean: Vec<f32> = (0..32).map(|i| (i as f32 * 0.7).sin()).collect();
    let noise = TorchGenerator::new(3).randn(32);
    let config = SchedulerConfig { class_name: "FlowMatchEulerDiscreteScheduler".into(), ..Default::default() };
    for kind in SamplerKind::ALL {
        let mut solver = build(kind, &config, 8).unwrap();
        let mut generator = TorchGenerator::new(9);
        let mut x = solver.add_noise(3, &clean, &noise);
        for i in 3..8 {
            let sigma = solver.timestep(i) / 1000.0;
            // Flow of the straight path through x and the truth.
            let output: Vec<f32> = x.iter().zip(&clean).map(|(x, c)| (x - c) / sigma.max(1e-3)).collect();
            solver.step(i, &mut x, &output, &mut |n| generator.randn(n));
        }
        let worst = x.iter().zip(&clean).fold(0.0f32, |a, (x, y)| a.max((x - y).abs()));
        assert!(worst < 0.02, "{kind}: off by {worst}");
    }
}

#[test]
fn unknown_names_and_step_counts_are_sentences() {
    let error = "euler_x".parse::<SamplerKind>().unwrap_err();
    assert!(error.message.contains("dpmpp_2m_karras"), "{error}");
    assert!(build(SamplerKind::EULER, &SchedulerConfig::default(), 0).is_err());
    assert!(build(SamplerKind::EULER, &SchedulerConfig::default(), 1001).is_err());
}
