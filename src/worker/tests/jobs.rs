//! What goes well: pictures, the queue, quick looks, the library.

use super::*;
use crate::library::{ExportFormat, Query};

#[test]
fn steps_and_pictures_come_in_order() {
    let bench = Bench::ready();
    let recipes = [recipe("a red fox", 1, 4), recipe("blue waves", 2, 3)];
    bench.generate(1, &recipes);
    let events = bench.until(|e| is_end(e, 1));
    assert!(matches!(events[0], Event::Started { job: 1, pictures: 2 }), "{:?}", events[0]);
    let (mut steps, mut pictures, mut last) = (Vec::new(), Vec::new(), 0.0);
    for event in &events[1..events.len() - 1] {
        match event {
            Event::Step { job: 1, picture, step, steps: all, preview, seconds_left, progress } => {
                assert!(preview.is_some() && *seconds_left >= 0.0 && *progress > last && *progress <= 1.0, "{event:?}");
                assert_eq!(*all, recipes[*picture as usize].steps);
                last = *progress;
                steps.push((*picture, *step));
            }
            Event::PictureDone { job: 1, index, picture, entry } => {
                let entry = entry.as_ref().expect("an entry");
                assert!(entry.path.is_file());
                assert_eq!((&entry.recipe, picture.width), (&picture.recipe, 64));
                assert_eq!(picture.recipe.model.name, tiny().display().to_string());
                assert!(steps.contains(&(*index, recipes[*index as usize].steps)), "only after its last step");
                pictures.push(*index);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(steps, [(0, 1), (0, 2), (0, 3), (0, 4), (1, 1), (1, 2), (1, 3)]);
    assert_eq!(pictures, [0, 1]);
    assert!(matches!(events.last(), Some(Event::JobDone { .. })));

    let (first, again) = (bench.made(2, &recipes[..1]), bench.made(3, &recipes[..1]));
    assert_eq!(first[0].0.rgb, again[0].0.rgb, "the same Recipe gives the same bytes");
    assert_eq!(first[0].0.recipe, again[0].0.recipe);
}

#[test]
fn all_but_the_first_are_made_together() {
    let bench = Bench::ready();
    let recipes: Vec<Recipe> = (0..6).map(|seed| recipe("a red fox", seed, 3)).collect();
    bench.generate(1, &recipes);
    let events = bench.until(|e| is_end(e, 1));
    let (mut steps, mut made, mut last) = (Vec::new(), Vec::new(), 0.0);
    for event in &events {
        match event {
            Event::Step { picture, step, preview, progress, .. } => {
                assert!(preview.is_some() && *progress >= last && *progress < 1.0, "{event:?} after {last}");
                last = *progress;
                steps.push((*picture, *step));
            }
            Event::PictureDone { picture, .. } => made.push(picture.rgb.clone()),
            _ => {}
        }
    }
    let alone = |picture: u32| (1..=3).map(move |step| (picture, step));
    let together = (1..=3).flat_map(|step| (1..=4).map(move |picture| (picture, step)));
    assert_eq!(steps, alone(0).chain(together).chain(alone(5)).collect::<Vec<_>>());
    for (i, one) in recipes.iter().enumerate() {
        let job = 10 + i as JobId;
        assert_eq!(bench.made(job, std::slice::from_ref(one))[0].0.rgb, made[i], "picture {i} is the one made alone");
    }
}

#[test]
fn jobs_queue_up_and_are_cancelled_within_a_step() {
    let bench = Bench::ready();
    bench.hold_in(1, long());
    bench.generate(2, &[long()]);
    bench.generate(3, &[recipe("a fox", 3, 2)]);
    bench.send(Request::Cancel { job: 2 });
    bench.gate.set(3);
    assert!(matches!(bench.next(), Event::Queued { job: 2, ahead: 1 }));
    assert!(matches!(bench.next(), Event::Queued { job: 3, ahead: 2 }));
    assert!(matches!(bench.next(), Event::JobCancelled { job: 2 }), "a waiting job is answered during another");
    bench.gate.set(1);
    assert!(matches!(bench.next(), Event::Step { job: 1, step: 4, .. }));
    bench.send(Request::Cancel { job: 1 });
    bench.send(Request::Cancel { job: 99 });
    bench.gate.set(u64::MAX);
    let events = bench.until(|e| is_end(e, 3));
    assert!(!events.iter().any(|e| matches!(e, Event::Step { job: 1, .. } | Event::PictureDone { job: 1, .. })));
    assert!(events.iter().any(|e| matches!(e, Event::JobCancelled { job: 1 })));
    assert!(matches!(events.last(), Some(Event::JobDone { job: 3, .. })));

    bench.hold_in(4, long());
    bench.generate(5, &[long()]);
    bench.send(Request::CancelAll);
    bench.gate.set(u64::MAX);
    let mut ended = 0;
    while ended < 2 {
        let event = bench.next();
        assert!(!matches!(event, Event::Step { .. }));
        ended += usize::from(is_end(&event, 4) || is_end(&event, 5));
    }
    assert_eq!(bench.made(6, &[recipe("a fox", 3, 2)]).len(), 1);
}

#[test]
fn only_the_newest_quick_look_is_made_also_during_a_job() {
    let bench = Bench::ready();
    let look = |job| bench.send(Request::Preview { job, recipe: recipe("birds", job, 8) });
    bench.hold_in(1, long());
    (10..20).for_each(look);
    bench.gate.set(1);
    match bench.next() {
        Event::Preview { job: 19, image, .. } => assert_eq!((image.width, image.height), (32, 32)),
        other => panic!("{other:?}"),
    }
    look(20);
    bench.send(Request::Cancel { job: 20 });
    bench.gate.set(2);
    assert!(matches!(bench.next(), Event::Step { job: 1, step: 4, .. }));
    assert!(matches!(bench.next(), Event::JobCancelled { job: 20 }));

    // A look that was asked for after a model waits for that model.
    bench.send(Request::LoadModel { name: tiny().display().to_string() });
    look(21);
    bench.send(Request::Cancel { job: 1 });
    bench.gate.set(u64::MAX);
    let events = bench.until(|e| matches!(e, Event::Preview { job: 21, .. }));
    assert!(events.iter().any(|e| matches!(e, Event::ModelReady { .. })), "{events:?}");

    // The newest wins, wherever the one before is.
    for job in 30..60 {
        bench.send(Request::Preview { job, recipe: Recipe { width: 256, height: 256, ..recipe("birds", job, 8) } });
        std::thread::sleep(Duration::from_millis(1));
    }
    let events = bench.until(|e| matches!(e, Event::Preview { job: 59, .. }));
    assert!(events.len() < 30, "all of them were made");
    bench.send(Request::Preview { job: 61, recipe: Recipe { width: 65, ..recipe("birds", 1, 8) } });
    assert!(matches!(bench.next(), Event::JobFailed { job: 61, .. }));
}

#[test]
fn pictures_are_rated_while_others_are_made() {
    let bench = Bench::ready();
    let id = bench.made(1, &[recipe("a fox", 1, 2)])[0].1.as_ref().expect("an entry").id;
    bench.hold_in(2, long());
    bench.send(Request::Rate { id, stars: 4 });
    assert!(matches!(bench.next(), Event::Changed { entry } if entry.rating == 4));
    bench.send(Request::SetTags { id, tags: vec!["good".into()] });
    assert!(matches!(bench.next(), Event::Changed { entry } if entry.tags == ["good"]));
    bench.send(Request::Rate { id: id + 1, stars: 4 });
    assert!(matches!(bench.next(), Event::Failed { .. }));
}

#[test]
fn pictures_are_listed_shown_and_exported() {
    let bench = Bench::ready();
    let made = bench.made(1, &[recipe("a fox", 1, 2), recipe("waves", 2, 2)]);
    let ids: Vec<i64> = made.iter().map(|(_, entry)| entry.as_ref().expect("an entry").id).collect();
    bench.send(Request::List { token: 7, query: Query { text: "fox".into(), ..Query::default() } });
    assert!(matches!(bench.next(), Event::Listed { token: 7, entries, .. } if entries.len() == 1));
    bench.send(Request::Thumbnail { id: ids[0], side: 16 });
    assert!(matches!(bench.next(), Event::Thumbnail { image, .. } if image.width == 16));
    bench.send(Request::Open { id: ids[1] });
    assert!(matches!(bench.next(), Event::Opened { picture, .. } if picture == made[1].0));
    bench.send(Request::Compare { winner: ids[0], loser: ids[1] });
    assert!(matches!(bench.next(), Event::Compared { .. }));

    // A folder's name may have a dot in it.
    let target = bench.folder.path().join("exports 1.5");
    bench.send(Request::Export { ids: ids.clone(), target: target.clone(), format: ExportFormat::Png });
    let Event::Exported { paths } = bench.next() else { panic!("not exported") };
    assert!(paths.len() == 2 && paths.iter().all(|p| p.parent() == Some(&target)), "{paths:?}");
    bench.send(Request::LookInto { path: paths[1].clone() });
    assert!(matches!(bench.next(), Event::RecipeRead { recipe, exact: true, .. } if *recipe == made[1].0.recipe));
    for (ids, target) in [(ids.clone(), bench.folder.path().join("a file")), (vec![], target)] {
        bench.send(Request::Export { ids, target, format: ExportFormat::Png });
        assert!(matches!(bench.next(), Event::Failed { .. }));
    }
    bench.send(Request::LookInto { path: bench.folder.path().join("a file") });
    assert!(matches!(bench.next(), Event::Failed { .. }));
    bench.send(Request::Delete { id: ids[0] });
    assert!(matches!(bench.next(), Event::Changed { entry } if entry.trashed));
    bench.send(Request::Restore { id: ids[0] });
    assert!(matches!(bench.next(), Event::Changed { entry } if !entry.trashed));
}
