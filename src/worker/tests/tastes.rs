//! Walls that taste bends, blind tests, forgetting.

use super::*;
use crate::recipe::AdapterRef;
use crate::taste::trial::wish;
use crate::taste::{Pairing, Verdict, Wish};

fn wanted(count: u32) -> Wish {
    wish(recipe("waves", 40, 2), count, 0.5)
}

/// A bench whose library holds choices: pictures with much warmth are liked, those with little are not.
fn rated() -> Bench {
    let bench = Bench::ready();
    let mut recipes: Vec<Recipe> = (0..6).map(|seed| recipe("a fox", seed, 2)).collect();
    for (i, recipe) in recipes.iter_mut().enumerate() {
        recipe.sliders.insert("warmth".into(), if i % 2 == 0 { 0.9 } else { 0.1 });
    }
    let made = bench.made(1, &recipes);
    for (i, (_, entry)) in made.iter().enumerate() {
        bench.send(Request::Rate { id: entry.as_ref().unwrap().id, stars: if i % 2 == 0 { 5 } else { 1 } });
        assert!(matches!(bench.next(), Event::Changed { .. }));
    }
    bench
}

fn told(bench: &Bench) -> (Arc<crate::taste::Summary>, crate::taste::Proof) {
    bench.send(Request::Taste);
    match bench.next() {
        Event::Taste { summary, proofs } => (summary, proofs.taste),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wall_is_bent_by_what_was_rated_and_says_why() {
    let bench = rated();
    let (summary, proof) = told(&bench);
    assert_eq!((summary.choices, proof.verdict), (6, Verdict::Untested));
    bench.send(Request::Wall { job: 5, wish: wanted(3) });
    let events = bench.until(|e| is_end(e, 5));
    assert!(matches!(events.last(), Some(Event::JobDone { .. })), "{:?}", events.last());
    let looks: Vec<(u32, u32)> = events
        .iter()
        .filter_map(|e| if let Event::Looking { done, all, .. } = e { Some((*done, *all)) } else { None })
        .collect();
    assert_eq!(looks, (1..=9).map(|done| (done, 9)).collect::<Vec<_>>());
    let mut made = Vec::new();
    let mut why = Vec::new();
    for event in &events {
        match event {
            Event::PictureDone { entry, picture, .. } => {
                assert!(picture.recipe.prompt.starts_with("waves"));
                assert!(!picture.recipe.model.hash.is_empty());
                made.push(entry.as_ref().unwrap().id);
            }
            Event::Why { id, why: told } => why.push((*id, told.clone())),
            _ => {}
        }
    }
    assert_eq!(made.len(), 3);
    assert_eq!(why.iter().map(|(id, _)| *id).collect::<Vec<_>>(), made, "every picture says why");
    assert!(why.iter().any(|(_, w)| !w.reasons.is_empty()), "{why:?}");
    // Asked for again, the reasons follow the taste of now.
    bench.send(Request::Why { id: made[0] });
    match bench.next() {
        Event::Why { id, why } => assert!(id == made[0] && (0.0..=1.0).contains(&why.chance)),
        other => panic!("{other:?}"),
    }
    // The same wish gives the same wall while nothing is rated.
    let recipes = |events: Vec<Event>| -> Vec<Recipe> {
        let made = events.into_iter().filter_map(|e| match e {
            Event::PictureDone { picture, .. } => Some(picture.recipe.clone()),
            _ => None,
        });
        made.collect()
    };
    bench.send(Request::Wall { job: 6, wish: wanted(3) });
    assert_eq!(recipes(bench.until(|e| is_end(e, 6))), recipes(events));
}

#[test]
fn without_choices_a_wall_is_what_was_asked_for_and_there_is_nothing_to_test() {
    let bench = Bench::ready();
    assert_eq!(told(&bench).0.choices, 0);
    bench.send(Request::Wall { job: 2, wish: wanted(2) });
    let events = bench.until(|e| is_end(e, 2));
    let seeds: Vec<u64> = events
        .iter()
        .filter_map(|e| if let Event::PictureDone { picture, .. } = e { Some(picture.recipe.seed) } else { None })
        .collect();
    assert_eq!(seeds, [40, 41]);
    assert!(!events.iter().any(|e| matches!(e, Event::Looking { .. } | Event::Why { .. })), "{events:?}");
    bench.send(Request::Trial { job: 3, wishes: vec![wanted(2)] });
    let events = bench.until(|e| is_end(e, 3));
    assert!(matches!(events.last(), Some(Event::JobFailed { message, .. }) if message.contains("rate a few")));
}

#[test]
fn a_wall_is_cancelled_between_its_looks() {
    let bench = rated();
    bench.gate.set(0);
    bench.send(Request::Wall { job: 7, wish: wanted(8) });
    while !matches!(bench.next(), Event::Looking { done: 2, .. }) {
        bench.gate.set(1);
    }
    bench.send(Request::Cancel { job: 7 });
    bench.gate.set(u64::MAX);
    let events = bench.until(|e| is_end(e, 7));
    assert!(matches!(events.last(), Some(Event::JobCancelled { .. })));
    assert!(!events.iter().any(|e| matches!(e, Event::Looking { .. } | Event::PictureDone { .. })), "{events:?}");
}

#[test]
fn a_blind_test_is_kept_and_all_of_it_can_be_forgotten() {
    let bench = rated();
    bench.send(Request::Trial { job: 8, wishes: vec![wanted(3), wish(recipe("mountains", 90, 2), 2, 0.5)] });
    let events = bench.until(|e| is_end(e, 8));
    assert!(matches!(events.last(), Some(Event::JobDone { .. })), "{:?}", events.last());
    let pairs: Vec<(u32, i64, i64)> = events
        .iter()
        .filter_map(|e| match e {
            Event::Pair { job: 8, pair, left, right } => Some((*pair, *left, *right)),
            _ => None,
        })
        .collect();
    let pictures = events.iter().filter(|e| matches!(e, Event::PictureDone { .. })).count();
    assert!(!pairs.is_empty() && pictures == 2 * pairs.len(), "{pairs:?}");
    assert!(!events.iter().any(|e| matches!(e, Event::Why { .. })), "reasons would tell which is which");
    for (n, (pair, ..)) in pairs.iter().enumerate() {
        let choice = [Choice::Left, Choice::Right, Choice::Neither][n % 3];
        bench.send(Request::Judge { job: 8, pair: *pair, choice });
        match bench.next() {
            Event::Judged { job: 8, proofs, .. } => assert_eq!(proofs.taste.wins.unwrap().choices, n + 1),
            other => panic!("{other:?}"),
        }
    }
    bench.send(Request::Judge { job: 8, pair: 0, choice: Choice::Left });
    assert!(matches!(bench.next(), Event::Failed { message } if message.contains("answered before")));
    let folder = bench.folder.path().join("library");
    let kept = || crate::library::Library::open(&folder).unwrap().0.trials().unwrap();
    assert_eq!(kept().len(), pairs.len());
    let (summary, proof) = told(&bench);
    assert!(summary.choices > 6, "what is chosen blindly teaches, too");
    assert_eq!(proof.wins.unwrap().choices, pairs.len());

    bench.send(Request::Forget);
    assert!(matches!(bench.next(), Event::Forgotten { pictures: 6, .. }));
    let (summary, proof) = told(&bench);
    assert!(summary.choices == 0 && summary.learnt.is_empty() && proof.wins.is_none());
    assert!(kept().is_empty());
}

#[test]
fn a_blind_test_of_an_adapter_is_noted_under_its_hash_and_says_which_side_won() {
    let bench = Bench::ready();
    let pipeline = crate::pipeline::Pipeline::load(&tiny(), &mut |_| {}).unwrap();
    let found = crate::model::lora::trainable::targets(pipeline.unet());
    let lora = crate::model::lora::trainable::Lora::new(&mut crate::model::Init::new(pipeline.device(), 5), &found, 2);
    let mut trained = lora.trained(&found);
    trained.iter_mut().for_each(|layer| layer.b.fill(0.05));
    let path = bench.folder.path().join("ink.safetensors");
    crate::model::lora::save(&trained, &[], &path).unwrap();
    let (name, hash) = (path.display().to_string(), crate::pipeline::hash_file(&path).unwrap());
    let pairs: Vec<Pairing> = (0..3)
        .map(|seed| {
            let without = recipe("a fox", seed, 2);
            let adapters = vec![AdapterRef { name: name.clone(), hash: String::new(), weight: 1.0 }];
            Pairing { with: Recipe { adapters, ..without.clone() }, without }
        })
        .collect();
    bench.send(Request::TestAdapter { job: 3, adapter: name, pairs });
    let events = bench.until(|e| is_end(e, 3));
    let mut with_it = std::collections::HashSet::new();
    for event in &events {
        if let Event::PictureDone { entry: Some(entry), picture, .. } = event
            && !picture.recipe.adapters.is_empty()
        {
            with_it.insert(entry.id);
        }
    }
    let shown: Vec<(u32, i64, i64)> = events
        .iter()
        .filter_map(|e| if let Event::Pair { pair, left, right, .. } = e { Some((*pair, *left, *right)) } else { None })
        .collect();
    assert_eq!((shown.len(), with_it.len()), (3, 3));
    for (n, (pair, left, right)) in shown.into_iter().enumerate() {
        assert!(with_it.contains(&left) != with_it.contains(&right));
        // The one with the adapter is liked twice, then the other one.
        let choice = if with_it.contains(&left) == (n < 2) { Choice::Left } else { Choice::Right };
        bench.send(Request::Judge { job: 3, pair, choice });
        match bench.next() {
            Event::Judged { job: 3, proofs, .. } => {
                let wins = proofs.adapters[&hash].wins.unwrap();
                let won = [1.0, 1.0, 2.0 / 3.0][n];
                assert!(wins.choices == n + 1 && (wins.share - won).abs() < 1e-6, "{wins:?}");
                assert_eq!(proofs.taste, crate::taste::Proof::default(), "taste was not tested");
            }
            other => panic!("{other:?}"),
        }
    }
}
