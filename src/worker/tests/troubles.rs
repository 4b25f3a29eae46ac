//! What goes wrong: panics, damaged models, a library that cannot be written, an early end.

use super::*;
use crate::library::Query;
use std::time::Instant;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, target) = entry.map(|e| (e.path(), to.join(e.file_name()))).unwrap();
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn a_panic_ends_a_job_and_nothing_else() {
    let bench = Bench::ready();
    let broken = recipe(PANIC, 1, 2);
    bench.generate(1, &[recipe("a fox", 1, 2), broken.clone()]);
    let events = bench.until(|e| is_end(e, 1));
    assert!(events.iter().any(|e| matches!(e, Event::PictureDone { index: 0, .. })));
    match events.last() {
        Some(Event::JobFailed { message, .. }) => {
            assert!(message.contains("asked for by a test") && message.contains("jobs.rs"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    // One that cannot be made takes none of those with it that would have been made together with it.
    let fox = |seed| recipe("a fox", seed, 2);
    bench.generate(5, &[fox(1), fox(2), fox(3), broken.clone(), fox(4)]);
    let events = bench.until(|e| is_end(e, 5));
    let made = events.iter().filter(|e| matches!(e, Event::PictureDone { .. })).count();
    assert!(made == 3 && matches!(events.last(), Some(Event::JobFailed { .. })), "{made} {:?}", events.last());
    bench.send(Request::Preview { job: 2, recipe: broken });
    assert!(matches!(bench.next(), Event::JobFailed { job: 2, .. }));
    bench.send(Request::Rate { id: PANIC_ID, stars: 1 });
    assert!(matches!(bench.next(), Event::Failed { message } if message.contains("asked for by a test")));
    assert!(bench.made(3, &[recipe("a fox", 1, 2)])[0].1.is_some());

    bench.generate(4, &[recipe("", 1, 2)]);
    assert!(matches!(bench.next(), Event::JobFailed { job: 4, message } if message.contains("prompt")));
}

#[test]
fn a_damaged_decoder_for_previews_is_said_once_and_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    copy(&tiny(), &model);
    std::fs::write(folder.path().join("taesd_decoder.safetensors"), b"half of it").unwrap();
    let bench = Bench::start(&model, "library");
    bench.until(|e| matches!(e, Event::ModelReady { .. }));
    let mut said = 0;
    for job in 1..3 {
        bench.generate(job, &[recipe("a fox", 1, 2)]);
        let events = bench.until(|e| is_end(e, job));
        let notice =
            |e: &&Event| matches!(e, Event::Notice { message } if message.contains("taesd_decoder.safetensors"));
        said += events.iter().filter(notice).count();
        assert!(events.iter().any(|e| matches!(e, Event::Step { preview: Some(_), .. })), "{events:?}");
        assert!(matches!(events.last(), Some(Event::JobDone { .. })), "{:?}", events.last());
    }
    assert_eq!(said, 1);
}

#[test]
fn a_model_that_cannot_be_loaded_is_said_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged");
    copy(&tiny(), &damaged);
    for entry in std::fs::read_dir(damaged.join("unet")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "safetensors") {
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        }
    }
    let bench = Bench::start(&damaged, "library");
    bench.until(|e| matches!(e, Event::ModelFailed { message, .. } if message.contains("damaged")));
    bench.generate(1, &[recipe("a fox", 1, 2)]);
    assert!(matches!(bench.next(), Event::JobFailed { job: 1, message } if message.contains("choose")));
    bench.send(Request::LoadModel { name: tiny().display().to_string() });
    bench.until(|e| matches!(e, Event::ModelReady { .. }));
    bench.send(Request::LoadModel { name: "/nowhere/at all".into() });
    bench.until(|e| matches!(e, Event::ModelFailed { .. }));
    assert_eq!(bench.made(2, &[recipe("a fox", 1, 2)]).len(), 1, "the model before stays in use");
}

#[test]
fn without_a_library_pictures_are_still_made() {
    let bench = Bench::start(&tiny(), "a file/library");
    let events = bench.until(|e| matches!(e, Event::ModelReady { .. }));
    if !events.iter().any(|e| matches!(e, Event::Failed { .. })) {
        bench.until(|e| matches!(e, Event::Failed { .. }));
    }
    let made = bench.made(1, &[recipe("a fox", 1, 2), recipe("a fox", 2, 2)]);
    assert!(made.len() == 2 && made.iter().all(|(_, entry)| entry.is_none()));
    bench.send(Request::Rate { id: 1, stars: 1 });
    assert!(matches!(bench.next(), Event::Failed { message } if message.contains("a file")));
}

#[test]
fn the_end_comes_quickly_and_keeps_what_is_finished() {
    let bench = Bench::ready();
    bench.generate(1, &[vec![recipe("a fox", 1, 1)], vec![long(); 50]].concat());
    bench.generate(2, &[long()]);
    bench.until(|e| matches!(e, Event::Step { picture: 1, .. }));
    let begun = Instant::now();
    bench.send(Request::Shutdown);
    while bench.worker.recv_timeout(Duration::from_secs(20)).is_some() {}
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    bench.send(Request::Rate { id: 1, stars: 1 });
    assert!(bench.worker.try_recv().is_none());
    let (library, _) = crate::library::Library::open(&bench.folder.path().join("library")).unwrap();
    assert_eq!(library.list(&Query::default()).unwrap().len(), 2);

    let bench = Bench::ready();
    bench.generate(1, &vec![long(); 50]);
    bench.until(|e| matches!(e, Event::Step { .. }));
    let begun = Instant::now();
    drop(bench);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
