//! Lessons between pictures, folders of pictures, the shelf of adapters.

use super::*;
use crate::recipe::EmbeddingRef;
use crate::tuning::finetune::survey::Seen;
use crate::tuning::finetune::{Settings, Taught};
use crate::tuning::lesson::{Lesson, Rated};
use crate::tuning::optimizer::OptimizerKind;
use crate::worker::{Clerical, Filed, News};

/// Pictures of two kinds with captions, all of one size.
fn fill(folder: &Path, count: u8) {
    std::fs::create_dir_all(folder).unwrap();
    for i in 0..count {
        let paint = |x: u32, y: u32| {
            image::Rgb([(x * 4) as u8, i * 30, if (x + y * u32::from(i)) % 16 < 8 { 220 } else { 30 }])
        };
        image::RgbImage::from_fn(64, 64, paint).save(folder.join(format!("{i:02}.png"))).unwrap();
        std::fs::write(folder.join(format!("{i:02}.txt")), "blue waves").unwrap();
    }
}

fn base() -> String {
    crate::pipeline::Pipeline::load(&tiny(), &mut |_| {}).unwrap().info().hash.clone()
}

fn lesson(bench: &Bench, name: &str, steps: u64) -> Lesson {
    let settings = Settings {
        steps,
        rank: 2,
        batch: 2,
        warm_up: 2,
        patience: 0,
        resolution: Some(64),
        ..Settings::suited_to(100_000, OptimizerKind::AdamW, 8)
    };
    Lesson {
        search: false,
        folder: bench.folder.path().join("images"),
        rated: None,
        out: bench.folder.path().join("library/adapters").join(format!("{name}.safetensors")),
        base: base(),
        settings,
        looks: vec![recipe("blue waves", 5, 2), recipe("a fox", 6, 2)],
        captions: Vec::new(),
        resume: false,
    }
}

fn teach(bench: &Bench, job: JobId, lesson: &Lesson) {
    bench.send(Request::Teach { job, lesson: Box::new(lesson.clone()) });
}

fn news(events: &[Event]) -> impl Iterator<Item = &News> {
    events.iter().filter_map(|e| if let Event::Lesson { news, .. } = e { Some(news) } else { None })
}

fn weights(path: &Path) -> impl PartialEq + std::fmt::Debug {
    crate::model::lora::Adapter::open(path).unwrap().corrections
}

/// Lets the compute thread go on by one event at a time until the one that is wanted was told.
fn hold_at(bench: &Bench, wanted: impl Fn(&Event) -> bool) {
    loop {
        bench.gate.set(1);
        if wanted(&bench.next()) {
            return;
        }
    }
}

#[test]
fn pictures_go_before_a_lesson_and_are_what_they_are_without_one() {
    let bench = Bench::ready();
    fill(&bench.folder.path().join("images"), 8);
    let before = bench.made(1, &[recipe("a fox", 3, 4)]);
    bench.gate.set(0);
    teach(&bench, 2, &lesson(&bench, "waves", 60));
    hold_at(&bench, |e| matches!(e, Event::Lesson { news: News::Step { .. }, .. }));
    bench.generate(3, &[recipe("a fox", 3, 4)]);
    bench.gate.set(u64::MAX);
    let events = bench.until(|e| is_end(e, 3));
    assert!(!events.iter().any(|e| is_end(e, 2)), "the picture did not wait for the end");
    let during =
        events.iter().find_map(|e| if let Event::PictureDone { picture, .. } = e { Some(picture) } else { None });
    assert_eq!(during.unwrap().rgb, before[0].0.rgb, "in full precision, and by the model as it is");
    let rest = bench.until(|e| is_end(e, 2));
    assert!(matches!(rest.last(), Some(Event::JobDone { job: 2, .. })), "{:?}", rest.last());
    let (mut after, mut drawn, mut card) = (0, Vec::new(), None);
    for told in news(&rest) {
        match told {
            News::Look { step: Some(_), picture, .. } => {
                assert_eq!(picture.recipe.adapters.len(), 1);
                after += 1;
            }
            News::Drawing(done, of, _) => drawn.push((*done, *of)),
            News::Finished { card: found, .. } => card = Some(found.clone()),
            _ => {}
        }
    }
    let card = card.expect("a card");
    assert!(after >= 2 && card.learnt == 6 && card.held_out == 2, "{after} {card:?}");
    assert!(card.evidence.is_some_and(|e| e.apart && e.asked == 1), "{card:?}");
    assert_eq!(drawn, (0..16).map(|done| (done, 16)).collect::<Vec<_>>(), "eight with what was learnt, eight without");
    assert!(card.drawn.is_some_and(|d| d.pictures == 8 && d.colours.is_some()), "{card:?}");
    let out = bench.folder.path().join("library/adapters/waves.safetensors");
    assert!(out.is_file() && out.with_extension("png").is_file());
    assert!(!Lesson::note_of(&out).exists() && !Lesson::state_of(&out).exists(), "finished");

    bench.send(Request::Clerk(Clerical::List { used: Vec::new() }));
    match bench.next() {
        Event::Filed(Filed::Listed { adapters, lessons, .. }) => {
            assert!(lessons.is_empty() && adapters.len() == 1 && adapters[0].portrait.is_some());
            assert_eq!(adapters[0].card.as_ref(), Some(&*card));
        }
        other => panic!("{other:?}"),
    }
    teach(&bench, 4, &lesson(&bench, "waves", 5));
    assert!(matches!(bench.next(), Event::JobFailed { job: 4, message } if message.contains("already")));
    let stranger = Lesson { base: "another".into(), ..lesson(&bench, "other", 5) };
    teach(&bench, 5, &stranger);
    assert!(matches!(bench.next(), Event::JobFailed { job: 5, message } if message.contains("another model")));
}

#[test]
fn a_lesson_stops_within_a_step_and_goes_on_as_if_it_had_not() {
    let bench = Bench::ready();
    fill(&bench.folder.path().join("images"), 6);
    let straight = lesson(&bench, "straight", 24);
    teach(&bench, 1, &straight);
    assert!(matches!(bench.until(|e| is_end(e, 1)).last(), Some(Event::JobDone { .. })));

    bench.gate.set(0);
    let parted = lesson(&bench, "parted", 24);
    teach(&bench, 2, &parted);
    teach(&bench, 3, &Lesson { looks: Vec::new(), ..lesson(&bench, "waiting", 5) });
    bench.send(Request::Cancel { job: 3 });
    hold_at(&bench, |e| matches!(e, Event::Lesson { news: News::Checked(point, _), .. } if point.step == 10));
    bench.send(Request::Cancel { job: 2 });
    bench.gate.set(u64::MAX);
    let events = bench.until(|e| is_end(e, 2));
    assert!(matches!(events.last(), Some(Event::JobCancelled { .. })));
    // The step after the check may have begun before the word came.
    assert!(news(&events).any(|n| matches!(n, News::Stopped(10..=11))), "{events:?}");
    assert!(!news(&events).any(|n| matches!(n, News::Step { step: 12.., .. } | News::Checked(..))), "{events:?}");

    bench.send(Request::Clerk(Clerical::List { used: Vec::new() }));
    let waiting = match bench.next() {
        Event::Filed(Filed::Listed { adapters, lessons, .. }) => {
            assert_eq!(adapters.len(), 1, "what is not finished is no adapter yet");
            lessons
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(waiting, [Lesson { resume: true, ..parted.clone() }]);
    teach(&bench, 4, &waiting[0]);
    let events = bench.until(|e| is_end(e, 4));
    assert!(matches!(events.last(), Some(Event::JobDone { .. })), "{:?}", events.last());
    assert_eq!(weights(&parted.out), weights(&straight.out), "bit for bit");

    // Cancelled before the first step: nothing to go on with, and nothing left behind.
    bench.gate.set(0);
    let early = lesson(&bench, "early", 5);
    teach(&bench, 5, &early);
    hold_at(&bench, |e| matches!(e, Event::Lesson { news: News::Preparing(_), .. }));
    bench.send(Request::Cancel { job: 5 });
    bench.gate.set(u64::MAX);
    assert!(matches!(bench.until(|e| is_end(e, 5)).last(), Some(Event::JobCancelled { .. })));
    assert!(!early.out.exists() && !Lesson::note_of(&early.out).exists());
}

#[test]
fn damaged_and_doubled_pictures_are_named_before_and_a_panic_ends_only_the_lesson() {
    let bench = Bench::ready();
    let images = bench.folder.path().join("images");
    fill(&images, 3);
    std::fs::copy(images.join("00.png"), images.join("same.png")).unwrap();
    std::fs::write(images.join("torn.png"), b"torn").unwrap();
    std::fs::remove_file(images.join("01.txt")).unwrap();
    let info = Arc::new(crate::pipeline::Pipeline::load(&tiny(), &mut |_| {}).unwrap().info().clone());
    let look = |job: JobId, folder: &Path| {
        let errand = Clerical::Survey { job, folder: folder.into(), info: info.clone() };
        bench.send(Request::Clerk(errand));
        bench.until(|e| matches!(e, Event::Filed(Filed::Surveyed { .. })))
    };
    let events = look(1, &images);
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for event in &events {
        match event {
            Event::Filed(Filed::Surveying { seen: Some(Seen::Found(picture)), .. }) => found.push(picture),
            Event::Filed(Filed::Surveying { seen: Some(Seen::LeftOut(file)), .. }) => left_out.push(file),
            _ => {}
        }
    }
    assert_eq!((found.len(), left_out.len()), (3, 2));
    assert!(left_out[0].why.contains("00.png") && left_out[1].why.contains("damaged"), "{left_out:?}");
    assert!(found[0].caption == "blue waves" && found[0].small.width == 64);
    assert!(matches!(events.last(), Some(Event::Filed(Filed::Surveyed { job: 1, trouble: None, .. }))));
    for (job, folder, why) in [(2, bench.folder.path().join("none"), "no folder"), (3, images.join(PANIC), "by a test")]
    {
        let trouble = match look(job, &folder).pop() {
            Some(Event::Filed(Filed::Surveyed { trouble: Some(trouble), .. })) => trouble,
            other => panic!("{other:?}"),
        };
        assert!(trouble.contains(why), "{trouble}");
    }

    // Captions of the person are written beside the pictures before it begins.
    let mut wanted = lesson(&bench, "few", 3);
    wanted.captions = vec![(images.join("01.png"), "red waves".into())];
    teach(&bench, 4, &wanted);
    let events = bench.until(|e| is_end(e, 4));
    assert!(matches!(events.last(), Some(Event::JobDone { .. })), "{:?}", events.last());
    assert_eq!(std::fs::read_to_string(images.join("01.txt")).unwrap(), "red waves");
    let told =
        news(&events).find_map(|n| if let News::Prepared { left_out, .. } = n { Some(left_out.len()) } else { None });
    assert_eq!(told, Some(2));
    let evidence =
        news(&events).find_map(|n| if let News::Finished { card, .. } = n { Some(card.evidence) } else { None });
    assert_eq!(evidence, Some(None), "three pictures prove nothing");

    for (job, folder, why) in [(5, images.join("none"), "no folder"), (6, images.join(PANIC), "by a test")] {
        teach(&bench, job, &Lesson { folder, ..lesson(&bench, "bad", 3) });
        let events = bench.until(|e| is_end(e, job));
        assert!(matches!(events.last(), Some(Event::JobFailed { message, .. }) if message.contains(why)), "{events:?}");
    }
    assert!(!Lesson::note_of(&lesson(&bench, "bad", 3).out).exists());
    assert_eq!(bench.made(7, &[recipe("a fox", 3, 2)]).len(), 1);
}

#[test]
fn adapters_come_are_renamed_and_go_through_the_clerk() {
    let bench = Bench::ready();
    fill(&bench.folder.path().join("images"), 4);
    let wanted = Lesson { looks: Vec::new(), ..lesson(&bench, "first", 2) };
    teach(&bench, 1, &wanted);
    bench.until(|e| is_end(e, 1));
    let file = |errand| {
        bench.send(Request::Clerk(errand));
        bench.next()
    };
    let listed = || match bench.next() {
        Event::Filed(Filed::Listed { adapters, .. }) => adapters.iter().map(|a| a.name.clone()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let target = bench.folder.path().join("copy.safetensors");
    let exported = file(Clerical::Export { path: wanted.out.clone(), target: target.clone() });
    assert!(matches!(exported, Event::Filed(Filed::Exported { .. })), "{exported:?}");
    assert!(matches!(file(Clerical::Import { path: target }), Event::Filed(Filed::Imported { .. })));
    assert_eq!(listed(), ["copy", "first"]);
    let renamed = file(Clerical::Rename { path: wanted.out.clone(), name: "second".into() });
    let Event::Filed(Filed::Renamed { to, .. }) = renamed else { panic!("{renamed:?}") };
    assert_eq!(listed(), ["copy", "second"]);
    let picture = bench.made(2, &[recipe("a fox", 1, 2)])[0].0.clone();
    bench.send(Request::Clerk(Clerical::Portrait { path: to.clone(), picture }));
    assert_eq!(listed(), ["copy", "second"]);
    assert!(to.with_extension("png").is_file());
    assert!(matches!(file(Clerical::Delete { path: to.clone() }), Event::Filed(Filed::Deleted { .. })));
    assert_eq!(listed(), ["copy"]);
    assert!(!to.exists() && !to.with_extension("png").exists());
    let refused = file(Clerical::Import { path: to });
    assert!(matches!(refused, Event::Failed { .. }), "{refused:?}");
}

#[test]
fn choices_teach_are_written_down_and_go_on_as_they_were() {
    let bench = Bench::ready();
    let mut recipes: Vec<Recipe> = (0..16).map(|seed| recipe("a fox", seed, 1)).collect();
    for (i, recipe) in recipes.iter_mut().enumerate() {
        recipe.sliders.insert("warmth".into(), if i % 2 == 0 { 0.9 } else { 0.1 });
    }
    let unrated = Lesson { rated: Some(Rated::default()), looks: Vec::new(), ..lesson(&bench, "nothing", 4) };
    teach(&bench, 1, &unrated);
    match bench.until(|e| is_end(e, 1)).last() {
        Some(Event::JobFailed { message, .. }) => assert!(message.contains("holds no choice yet"), "{message}"),
        other => panic!("{other:?}"),
    }
    assert!(!Lesson::note_of(&unrated.out).exists(), "nothing to go on with");

    let made = bench.made(2, &recipes);
    let rate = |id: i64, stars: u8| {
        bench.send(Request::Rate { id, stars });
        bench.until(|e| matches!(e, Event::Changed { .. }));
    };
    let ids: Vec<i64> = made.iter().map(|(_, entry)| entry.as_ref().unwrap().id).collect();
    ids.iter().enumerate().for_each(|(i, id)| rate(*id, if i % 2 == 0 { 5 } else { 1 }));

    let rated = Rated { imagined: 2, choices: None };
    let mut wanted = lesson(&bench, "taste", 12);
    wanted.settings = wanted.settings.taught_by(crate::tuning::finetune::Preference::Dpo { beta: 1000.0 });
    let wanted = Lesson { rated: Some(rated), looks: Vec::new(), ..wanted };
    bench.gate.set(0);
    teach(&bench, 3, &wanted);
    hold_at(&bench, |e| matches!(e, Event::Lesson { news: News::Checked(point, _), .. } if point.step == 5));
    bench.send(Request::Cancel { job: 3 });
    bench.gate.set(u64::MAX);
    let events = bench.until(|e| is_end(e, 3));
    assert!(news(&events).any(|n| matches!(n, News::Stopped(5))), "{events:?}");
    let drawn = || std::fs::read_dir(Lesson::imagined_of(&wanted.out)).map_or(0, Iterator::count);
    assert_eq!(drawn(), 4, "the best and the worst of two groups are kept for going on");

    // What was rated since does not change the lesson.
    rate(ids[0], 2);
    let parted = Lesson::read(&Lesson::note_of(&wanted.out)).unwrap();
    assert!(parted.rated.as_ref().unwrap().choices.as_ref().unwrap().learnt.len() > 2);
    // The window goes on with the lesson as it began it.
    teach(&bench, 4, &Lesson { resume: true, ..wanted.clone() });
    let events = bench.until(|e| is_end(e, 4));
    assert!(!news(&events).any(|n| matches!(n, News::Imagining(..))), "imagined once");
    assert!(matches!(events.last(), Some(Event::JobDone { .. })), "{:?}", events.last());
    let card = news(&events).find_map(|n| if let News::Finished { card, .. } = n { Some(card.clone()) } else { None });
    let card = card.unwrap();
    assert!(card.choices.is_some_and(|(taught, asked)| taught > 2 && asked > 0), "{:?}", card.choices);
    assert!(card.evidence.is_some_and(|e| e.agrees.is_some()));
    let liked = card.drawn.and_then(|drawn| drawn.liked).unwrap();
    assert!((0.0..=1.0).contains(&liked.chance) && liked.foretells.is_some(), "16 ratings are enough: {liked:?}");
    assert!(!Lesson::imagined_of(&wanted.out).exists() && !Lesson::note_of(&wanted.out).exists());
}

#[test]
fn a_word_and_a_whole_checkpoint_are_taught_shown_and_used() {
    let bench = Bench::ready();
    fill(&bench.folder.path().join("images"), 8);
    let shelf = || {
        bench.send(Request::Clerk(Clerical::List { used: Vec::new() }));
        match bench.next() {
            Event::Filed(Filed::Listed { adapters, lessons, .. }) => (adapters, lessons),
            other => panic!("{other:?}"),
        }
    };
    let usual = lesson(&bench, "ink", 20);
    let spread = crate::pipeline::Pipeline::load(&tiny(), &mut |_| {}).unwrap().info().word_spread;
    let settings = usual.settings.clone().for_word("<ink>", "fox", spread);
    let word = Lesson { settings, looks: vec![recipe("a <ink>", 5, 2)], ..usual.clone() };
    teach(&bench, 1, &word);
    let events = bench.until(|e| is_end(e, 1));
    assert!(matches!(events.last(), Some(Event::JobDone { .. })), "{:?}", events.last());
    let mut looks = Vec::new();
    for told in news(&events) {
        if let News::Look { step, picture, .. } = told {
            looks.push((step.is_some(), picture.clone()));
        }
    }
    let (first, last) = (&looks[0], &looks[looks.len() - 1]);
    assert!(!first.0 && first.1.recipe.prompt == "a fox" && first.1.recipe.embeddings.is_empty());
    assert!(last.0 && last.1.recipe.prompt == "a <ink>" && last.1.recipe.embeddings.len() == 1);
    assert!(first.1.rgb != last.1.rgb && word.out.with_extension("png").is_file());
    let (adapters, _) = shelf();
    let known = adapters[0].word.as_ref().expect("a word");
    assert!(known.text == "<ink>" && adapters[0].trouble.is_none() && adapters[0].card.is_some(), "{:?}", adapters[0]);
    let named = EmbeddingRef { name: word.out.display().to_string(), hash: String::new() };
    let with = Recipe { embeddings: vec![named], ..recipe("a <ink>", 5, 2) };
    let made = bench.made(2, &[with, recipe("a fox", 5, 2)]);
    assert!(made[0].0.rgb == last.1.rgb && made[1].0.rgb == first.1.rgb);

    // A whole checkpoint: paused, gone on with, and then a model like another.
    let settings = Settings { learning_rate: 1e-3, ..usual.settings.clone().for_full() };
    let out = usual.out.with_file_name("whole");
    let whole = Lesson { settings, out, looks: vec![recipe("blue waves", 5, 2)], ..usual };
    bench.gate.set(0);
    teach(&bench, 3, &whole);
    hold_at(&bench, |e| matches!(e, Event::Lesson { news: News::Checked(point, _), .. } if point.step == 10));
    bench.send(Request::Cancel { job: 3 });
    bench.gate.set(u64::MAX);
    assert!(matches!(bench.until(|e| is_end(e, 3)).last(), Some(Event::JobCancelled { .. })));
    let (_, lessons) = shelf();
    assert_eq!(lessons, [Lesson { resume: true, ..whole.clone() }]);
    teach(&bench, 4, &lessons[0]);
    let events = bench.until(|e| is_end(e, 4));
    assert!(matches!(events.last(), Some(Event::JobDone { .. })), "{:?}", events.last());
    let looks = news(&events)
        .filter_map(|n| if let News::Look { step, picture, .. } = n { Some((step, picture)) } else { None });
    let (mut before, mut after) = (None, None);
    looks.for_each(|(step, picture)| {
        *(if step.is_some() { &mut after } else { &mut before }) = Some(picture.rgb.clone())
    });
    assert!(after.is_some() && before != after);
    assert!(shelf().1.is_empty() && whole.out.join("model_index.json").is_file());
    bench.send(Request::LoadModel { name: whole.out.display().to_string() });
    bench.until(|e| matches!(e, Event::ModelReady { .. }));
    assert_eq!(Some(&bench.made(5, &[recipe("blue waves", 5, 2)])[0].0.rgb), after.as_ref());
    bench.send(Request::Clerk(Clerical::Delete { path: whole.out.clone() }));
    bench.until(|e| matches!(e, Event::Filed(Filed::Deleted { .. })));
    assert!(!whole.out.exists());
}

#[test]
fn settings_that_were_found_are_what_a_paused_lesson_goes_on_with() {
    let bench = Bench::ready();
    fill(&bench.folder.path().join("images"), 6);
    let wanted = Lesson { search: true, looks: Vec::new(), ..lesson(&bench, "found", 12) };
    bench.gate.set(0);
    teach(&bench, 1, &wanted);
    let mut trials = Vec::new();
    let found = loop {
        bench.gate.set(1);
        match bench.next() {
            Event::Lesson { news: News::Tried(trial), .. } => trials.push(trial),
            Event::Lesson { news: News::Found(settings), .. } => break *settings,
            e => assert!(!is_end(&e, 1), "{e:?}"),
        }
    };
    assert!(trials.len() > 9 && trials.iter().any(|t| t.rank != trials[0].rank), "{trials:?}");
    hold_at(&bench, |e| matches!(e, Event::Lesson { news: News::Checked(point, _), .. } if point.step == 5));
    bench.send(Request::Cancel { job: 1 });
    bench.gate.set(u64::MAX);
    assert!(matches!(bench.until(|e| is_end(e, 1)).last(), Some(Event::JobCancelled { .. })));
    let kept = Lesson::read(&Lesson::note_of(&wanted.out)).expect("a note");
    assert!(!kept.search && kept.settings == found && found.taught == Taught::Adapter, "{kept:?}");
    teach(&bench, 2, &kept);
    let events = bench.until(|e| is_end(e, 2));
    assert!(matches!(events.last(), Some(Event::JobDone { .. })), "{:?}", events.last());
    assert!(!news(&events).any(|n| matches!(n, News::Tried(_))), "looked for once");
    assert_eq!(crate::tuning::shelf::card_of(&wanted.out).expect("a card").settings, found);
}
