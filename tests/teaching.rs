//! A picture that is made while something is taught, in a process of its own: coarser products are allowed process-wide.

use kiln::pipeline::device::DeviceChoice;
use kiln::recipe::{Picture, Recipe};
use kiln::tuning::finetune::Settings;
use kiln::tuning::lesson::Lesson;
use kiln::tuning::optimizer::OptimizerKind;
use kiln::worker::{Event, News, Options, Request, Worker};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn next(worker: &Worker) -> Event {
    worker.recv_timeout(Duration::from_secs(120)).expect("an event")
}

fn made(worker: &Worker, job: u64, ended: &mut bool) -> Arc<Picture> {
    let recipe = Recipe { prompt: "a fox".into(), seed: 3, width: 128, height: 128, steps: 6, ..Recipe::default() };
    worker.send(Request::Generate { job, recipes: vec![recipe] });
    loop {
        match next(worker) {
            Event::PictureDone { job: of, picture, .. } if of == job => return picture,
            Event::JobFailed { message, .. } => panic!("{message}"),
            Event::JobDone { job: 1, .. } | Event::JobCancelled { job: 1 } => *ended = true,
            _ => {}
        }
    }
}

#[test]
fn a_picture_that_is_made_during_a_lesson_has_the_bytes_that_it_has_without() {
    let folder = tempfile::tempdir().expect("folder");
    let images = folder.path().join("images");
    std::fs::create_dir(&images).expect("folder");
    for i in 0..6u8 {
        let paint = |x: u32, y: u32| image::Rgb([(x * 2) as u8, i * 40, (y * 2) as u8]);
        image::RgbImage::from_fn(128, 128, paint).save(images.join(format!("{i}.png"))).expect("saved");
    }
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/golden/tiny_pipeline");
    let library = folder.path().join("library");
    let options = Options { library: library.clone(), model: model.display().to_string(), device: DeviceChoice::Cpu };
    let worker = Worker::start(options, || {});
    let base = loop {
        if let Event::ModelReady { info, .. } = next(&worker) {
            break info.hash.clone();
        }
    };
    let before = made(&worker, 2, &mut false);
    let settings = Settings {
        steps: 100_000,
        batch: 4,
        patience: 0,
        resolution: Some(128),
        ..Settings::suited_to(1, OptimizerKind::AdamW, 8)
    };
    let lesson = Lesson {
        search: false,
        folder: images,
        rated: None,
        out: library.join("adapters/long.safetensors"),
        base,
        settings,
        looks: Vec::new(),
        captions: Vec::new(),
        resume: false,
    };
    worker.send(Request::Teach { job: 1, lesson: Box::new(lesson) });
    while !matches!(next(&worker), Event::Lesson { news: News::Step { .. }, .. }) {}
    let mut ended = false;
    for job in 3..6 {
        assert_eq!(made(&worker, job, &mut ended).rgb, before.rgb, "picture {job}");
    }
    assert!(!ended, "the lesson was not over");
    worker.send(Request::Cancel { job: 1 });
    while !matches!(next(&worker), Event::JobCancelled { job: 1 }) {}
}
