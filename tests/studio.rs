//! The window, driven by the names that a screen reader hears, over the real worker with a tiny checkpoint.

use egui_kittest::kittest::{NodeT as _, Queryable};
use egui_kittest::{Harness, Node};
use kiln::library::{ExportFormat, Library, Query};
use kiln::pipeline::device::DeviceChoice;
use kiln::studio::{App, Dialogs};
use kiln::worker::{Options, Worker};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest wait for the worker, on a machine that has other work, too.
const PATIENCE: Duration = Duration::from_secs(60);

/// Answers every dialog with places in one folder.
struct Answers(PathBuf);

impl Dialogs for Answers {
    fn save_file(&self, _: &str, format: ExportFormat) -> Option<PathBuf> {
        Some(self.0.join("exported").with_extension(format.extension()))
    }
    fn pick_folder(&self, _: &str) -> Option<PathBuf> {
        Some(self.0.clone())
    }
    fn pick_adapter(&self) -> Option<PathBuf> {
        Some(self.0.join("elsewhere.safetensors"))
    }
    fn save_adapter(&self, name: &str) -> Option<PathBuf> {
        Some(self.0.join(name))
    }
    fn pick_file(&self, _: &str, _: &str, endings: &[&str]) -> Option<PathBuf> {
        Some(self.0.join("picked").with_extension(endings[0]))
    }
}

/// A file that is dropped on the window.
#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }
    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|e| e.to_string())
    }
}

fn drop_file(harness: &mut Harness<'_, App>, path: &Path) {
    harness.input_mut().dropped_files.push(Arc::new(Dropped(path.into())));
    harness.step();
}

/// Saves a picture in which every pixel is another.
fn save_source(path: &Path, width: u32, height: u32) -> image::RgbImage {
    let colour = |x: u32, y: u32| image::Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 90]);
    let picture = image::RgbImage::from_fn(width, height, colour);
    picture.save(path).expect("saved");
    picture
}

fn tiny() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/golden/tiny_pipeline").display().to_string()
}

fn open<'a>(library: &Path, model: &str, size: [f32; 2]) -> Harness<'a, App> {
    let options = Options { library: library.into(), model: model.into(), device: DeviceChoice::Cpu };
    let app = App::new(Worker::start(options, || {}), Arc::new(Answers(library.join("out"))), library, model);
    std::fs::create_dir_all(library.join("out")).expect("folder");
    let builder = Harness::builder().with_size(size).with_max_steps(400);
    let builder = if std::env::var_os("KILN_SCREENSHOTS").is_some() { builder.wgpu() } else { builder };
    builder.build_ui_state(|ui, app: &mut App| app.ui(ui), app)
}

/// Draws frames until the condition holds.
fn until(harness: &mut Harness<'_, App>, what: &str, condition: impl Fn(&Harness<'_, App>) -> bool) {
    until_within(harness, PATIENCE, what, condition);
}

fn until_within(
    harness: &mut Harness<'_, App>,
    patience: Duration,
    what: &str,
    condition: impl Fn(&Harness<'_, App>) -> bool,
) {
    let began = Instant::now();
    loop {
        harness.step();
        if condition(harness) {
            return;
        }
        assert!(began.elapsed() < patience, "waited in vain for {what}; the window holds {:?}", names(harness));
        std::thread::sleep(Duration::from_millis(4));
    }
}

/// Waits for the end of a lesson, which after its last step draws two dozen pictures, beside those of other tests.
fn until_taught(window: &mut Harness<'_, App>) {
    until_within(window, 4 * PATIENCE, "the last step", |h| has(h, "Drawing picture "));
    until_within(window, 4 * PATIENCE, "the end", |h| has(h, "Teach another"));
}

fn names(harness: &Harness<'_, App>) -> Vec<String> {
    // Plain text is heard as a value.
    let heard = |n: Node<'_>| n.accesskit_node().label().or_else(|| n.accesskit_node().value());
    harness.root().children_recursive().filter_map(heard).collect()
}

fn has(harness: &Harness<'_, App>, start: &str) -> bool {
    names(harness).iter().any(|n| n.starts_with(start))
}

/// The pictures on the wall, as they are spoken of.
fn pictures(harness: &Harness<'_, App>) -> Vec<String> {
    names(harness).into_iter().filter(|n| n.starts_with("Picture ") && n.contains(": ")).collect()
}

fn starting<'t>(harness: &'t Harness<'_, App>, start: &str) -> Node<'t> {
    let found = harness
        .root()
        .children_recursive()
        .find(|n| n.accesskit_node().label().is_some_and(|label| label.starts_with(start)));
    found.unwrap_or_else(|| panic!("nothing is called {start}…: {:?}", names(harness)))
}

fn press(harness: &mut Harness<'_, App>, name: &str) {
    harness.get_by_label(name).click();
    harness.step();
}

/// The same for what may lie below the fold.
fn press_there(harness: &mut Harness<'_, App>, name: &str) {
    harness.get_by_label(name).scroll_to_me();
    (0..8).for_each(|_| harness.step());
    press(harness, name);
}

/// Takes what a message offers. Messages move while others come and go, so that no pointer is sure to meet them.
fn accept(harness: &mut Harness<'_, App>, name: &str) {
    harness.step();
    harness.get_by_label(name).click_accesskit();
    harness.step();
}

fn write(harness: &mut Harness<'_, App>, text: &str) {
    harness.get_by_role_and_label(egui::accesskit::Role::MultilineTextInput, "Prompt").focus();
    harness.step();
    harness.get_by_role_and_label(egui::accesskit::Role::MultilineTextInput, "Prompt").type_text(text);
    harness.step();
}

fn ready(harness: &mut Harness<'_, App>) {
    until(harness, "the model", |h| has(h, "Tiny_pipeline ·") || has(h, "Tiny ·") || has(h, "Ember ·"));
}

#[test]
fn type_generate_rate_keep_and_find_again() {
    let folder = tempfile::tempdir().expect("folder");
    let mut window = open(folder.path(), &tiny(), [1280.0, 800.0]);
    ready(&mut window);
    write(&mut window, "a red fox");
    press(&mut window, "4 pictures");
    press(&mut window, "Generate");
    until(&mut window, "four pictures", |h| pictures(h).len() == 4 && !has(h, "Cancel"));
    assert!(pictures(&window).iter().all(|p| p.contains("a red fox")), "{:?}", pictures(&window));

    // Rating by key, favourite by button.
    starting(&window, "Picture 2:").focus();
    window.step();
    window.key_press(egui::Key::Num4);
    until(&mut window, "four stars", |h| {
        pictures(h).iter().any(|p| p.starts_with("Picture 2:") && p.contains("4 stars"))
    });
    starting(&window, "Picture 3:").hover();
    window.step();
    window.step();
    press(&mut window, "Mark picture 3");
    until(&mut window, "a favourite", |h| {
        pictures(h).iter().any(|p| p.starts_with("Picture 3:") && p.contains("favourite"))
    });

    // A later start finds all of it.
    drop(window);
    let mut window = open(folder.path(), &tiny(), [1280.0, 800.0]);
    ready(&mut window);
    press(&mut window, "All");
    until(&mut window, "the pictures of before", |h| pictures(h).len() == 4);
    let told = pictures(&window);
    assert!(told.iter().any(|p| p.starts_with("Picture 2:") && p.contains("4 stars")), "{told:?}");
    press(&mut window, "Favourites");
    until(&mut window, "one favourite", |h| pictures(h).len() == 1 && pictures(h)[0].starts_with("Picture 3:"));
    // The prompt is where it was left.
    let prompt = window.get_by_role_and_label(egui::accesskit::Role::MultilineTextInput, "Prompt").value();
    assert_eq!(prompt.as_deref(), Some("a red fox"));
}

#[test]
fn a_slider_gives_a_preview_and_marks_unknown_words() {
    let folder = tempfile::tempdir().expect("folder");
    let mut window = open(folder.path(), &tiny(), [1280.0, 800.0]);
    ready(&mut window);
    assert!(!has(&window, "Took"), "nothing was asked for yet");
    window.get_by_role_and_label(egui::accesskit::Role::Slider, "Warmth").increment_accesskit();
    until(&mut window, "a preview", |h| has(h, "Took"));
    write(&mut window, "a red foxx");
    until(&mut window, "the unknown word", |h| has(h, "“foxx” is"));
    press(&mut window, "fox");
    until(&mut window, "the known word", |h| !has(h, "“foxx”"));
}

#[test]
fn every_combination_of_choices_is_drawn_once_and_said() {
    let folder = tempfile::tempdir().expect("folder");
    let mut window = open(folder.path(), &tiny(), [1280.0, 800.0]);
    ready(&mut window);
    assert!(!has(&window, "Draw all"));
    write(&mut window, "a {red|blue} {fox|owl|cat}");
    until(&mut window, "what the choices make", |h| has(h, "6 combinations"));
    press(&mut window, "Draw all 6");
    window.step();
    assert!(!has(&window, "Draw all"), "six are set");
    press(&mut window, "Generate");
    until(&mut window, "six pictures", |h| pictures(h).len() == 6 && !has(h, "Cancel"));
    let told = pictures(&window);
    for colour in ["red", "blue"] {
        for thing in ["fox", "owl", "cat"] {
            let words = format!("a {colour} {thing}");
            assert_eq!(told.iter().filter(|picture| picture.contains(&words)).count(), 1, "{words}: {told:?}");
        }
    }
}

#[test]
fn words_that_name_a_style_are_said_to_set_the_mix() {
    let folder = tempfile::tempdir().expect("folder");
    let model = folder.path().join("tiny");
    copy(Path::new(&tiny()), &model);
    let told = std::fs::read(model.join("kiln.json")).expect("what it tells");
    let mut told: serde_json::Value = serde_json::from_slice(&told).expect("JSON");
    for slider in told["sliders"].as_array_mut().expect("sliders") {
        if slider["name"] == "family:marbling" {
            slider["words"] = serde_json::json!(["marbled paper", "marbling"]);
        }
    }
    std::fs::write(model.join("kiln.json"), told.to_string()).expect("written");
    let mut window = open(&folder.path().join("library"), &model.display().to_string(), [1280.0, 800.0]);
    ready(&mut window);
    write(&mut window, "marbling");
    until(&mut window, "what the word sets", |h| has(h, "Marbling, from your words"));
    window.get_by_role_and_label(egui::accesskit::Role::Button, "1 picture").click();
    press(&mut window, "Generate");
    until(&mut window, "a picture", |h| pictures(h).len() == 1 && !has(h, "Cancel"));
    let picture = pictures(&window).remove(0);
    starting(&window, &picture).click();
    window.step();
    window.key_press(egui::Key::Enter);
    until(&mut window, "the picture alone", |h| has(h, "by word"));
}

#[test]
fn cancel_stops_a_long_job_at_once() {
    let folder = tempfile::tempdir().expect("folder");
    let mut window = open(folder.path(), &tiny(), [1280.0, 800.0]);
    ready(&mut window);
    write(&mut window, "waves");
    press(&mut window, "40 pictures");
    press(&mut window, "Generate");
    until(&mut window, "the first picture", |h| !pictures(h).is_empty() && has(h, "Cancel"));
    press(&mut window, "Cancel");
    let began = Instant::now();
    until(&mut window, "the end of the job", |h| !has(h, "Cancel"));
    assert!(began.elapsed() < Duration::from_secs(10));
    let made = pictures(&window).len();
    assert!((1..40).contains(&made), "{made} pictures");
    let (library, _) = Library::open(folder.path()).expect("library");
    let query = Query::default();
    until(&mut window, "all finished pictures saved", |_| library.count(&query).is_ok_and(|n| n >= made));
}

#[test]
fn compare_two_and_export_one() {
    let folder = tempfile::tempdir().expect("folder");
    let mut window = open(folder.path(), &tiny(), [1280.0, 800.0]);
    ready(&mut window);
    write(&mut window, "mountains");
    press(&mut window, "4 pictures");
    press(&mut window, "Generate");
    until(&mut window, "four pictures", |h| pictures(h).len() == 4 && !has(h, "Cancel"));

    starting(&window, "Picture 1:").click();
    window.step();
    starting(&window, "Picture 4:").click_modifiers(egui::Modifiers::COMMAND);
    window.step();
    window.key_press(egui::Key::C);
    until(&mut window, "the comparison", |h| has(h, "Left is better"));
    press(&mut window, "Left is better");
    let (library, _) = Library::open(folder.path()).expect("library");
    until(&mut window, "the choice", |_| library.comparisons().is_ok_and(|c| c.len() == 1));

    until(&mut window, "the wall", |h| {
        if has(h, "Left is better") {
            h.key_press(egui::Key::Escape);
        }
        !pictures(h).is_empty()
    });
    starting(&window, "Picture 1:").focus();
    window.step();
    window.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::S);
    let target = folder.path().join("out");
    until(&mut window, "the exported file", |_| {
        std::fs::read_dir(&target).is_ok_and(|files| files.flatten().any(|f| f.path().extension().is_some()))
    });
    let file = std::fs::read_dir(&target).expect("folder").flatten().next().expect("file").path();
    let found = kiln::library::metadata::read_file(&file).expect("a picture");
    assert_eq!(found.recipe.expect("its recipe").prompt, "mountains");
}

#[test]
fn a_model_that_is_not_there_is_said_and_the_window_lives() {
    let folder = tempfile::tempdir().expect("folder");
    let mut window = open(folder.path(), "/no/such/model", [1024.0, 640.0]);
    until(&mut window, "the sentence", |h| has(h, "The model could not be loaded"));
    press(&mut window, "All");
    window.step();
}

#[test]
fn damaged_settings_are_set_aside_and_said() {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("settings.json"), b"{ not json").expect("file");
    let mut window = open(folder.path(), &tiny(), [1280.0, 800.0]);
    ready(&mut window);
    assert!(names(&window).iter().any(|n| n.contains("settings")), "{:?}", names(&window));
}

/// Makes eight pictures and rates them by keys: the first half is liked, the others are not.
fn rate_eight(window: &mut Harness<'_, App>, words: &str) {
    write(window, words);
    press(window, "8 pictures");
    press(window, "Generate");
    until(window, "eight pictures", |h| pictures(h).len() == 8 && !has(h, "Cancel"));
    for (number, key) in (1..=8).map(|n| (n, if n <= 4 { egui::Key::Num5 } else { egui::Key::Num1 })) {
        starting(window, &format!("Picture {number}:")).focus();
        window.step();
        window.key_press(key);
        window.step();
    }
    until(window, "all ratings", |h| pictures(h).iter().all(|p| p.contains(" star")));
}

#[test]
fn rate_switch_taste_on_see_why_and_forget() {
    let folder = tempfile::tempdir().expect("folder");
    let mut window = open(folder.path(), &tiny(), [1280.0, 800.0]);
    ready(&mut window);
    until(&mut window, "an honest start", |h| has(h, "Nothing learnt yet"));
    rate_eight(&mut window, "waves");
    until(&mut window, "what eight ratings tell", |h| has(h, "No evidence") || has(h, "Predicts"));

    // The page says what was learnt, and from how much.
    window.key_press(egui::Key::T);
    until(&mut window, "the page", |h| has(h, "What Kiln has learnt"));
    assert!(has(&window, "8 choices") && has(&window, "Of your own choices, held out"), "{:?}", names(&window));
    assert!(has(&window, "No blind test yet"), "{:?}", names(&window));
    window.key_press(egui::Key::Escape);
    window.step();

    // The next wall follows it, and each picture says why.
    window.get_by_role_and_label(egui::accesskit::Role::Switch, "Follow my taste").click();
    window.step();
    window.get_by_role_and_label(egui::accesskit::Role::Slider, "Explore").increment_accesskit();
    window.step();
    press(&mut window, "4 pictures");
    press(&mut window, "Generate");
    until(&mut window, "quick looks", |h| has(h, "Taste is choosing: look ") || pictures(h).len() > 8);
    until(&mut window, "four more pictures", |h| pictures(h).len() == 12 && !has(h, "Cancel"));
    starting(&window, "Picture 10:").hover();
    until(&mut window, "reasons", |h| has(h, "Why picture 10: "));
    starting(&window, "Picture 10:").focus();
    window.step();
    window.key_press(egui::Key::Enter);
    until(&mut window, "the large view with them", |h| has(h, "Would win "));
    window.key_press(egui::Key::Escape);
    window.step();

    // Forgetting asks, and then leaves nothing.
    press(&mut window, "Your taste");
    until(&mut window, "the page", |h| has(h, "Forget my taste…"));
    press_there(&mut window, "Forget my taste…");
    until(&mut window, "the question", |h| has(h, "Forget everything"));
    press(&mut window, "Keep it");
    window.step();
    let (library, _) = Library::open(folder.path()).expect("library");
    assert_eq!(library.list(&Query { min_rating: 1, ..Query::default() }).expect("list").len(), 8);
    press(&mut window, "Forget my taste…");
    until(&mut window, "the question", |h| has(h, "Forget everything"));
    press(&mut window, "Forget everything");
    until(&mut window, "an empty memory", |h| has(h, "Nothing learnt yet."));
    assert_eq!(library.count(&Query { min_rating: 1, ..Query::default() }).expect("count"), 0);
    press(&mut window, "Close");
    until(&mut window, "the wall without stars", |h| {
        pictures(h).len() == 12 && pictures(h).iter().all(|p| !p.contains(" star"))
    });
}

#[test]
fn a_blind_test_hides_which_is_which_and_its_result_stays() {
    let folder = tempfile::tempdir().expect("folder");
    let mut window = open(folder.path(), &tiny(), [1280.0, 800.0]);
    ready(&mut window);
    press(&mut window, "Your taste");
    until(&mut window, "why there is no test yet", |h| has(h, "Write a few words first"));
    press(&mut window, "Close");
    rate_eight(&mut window, "mountains");
    until(&mut window, "what was learnt", |h| !has(h, "Nothing learnt yet"));
    press(&mut window, "Your taste");
    // Until all ratings are taken in, the page moves under the pointer.
    until(&mut window, "the page", |h| has(h, "8 choices ("));
    press_there(&mut window, "Start a blind test");
    until(&mut window, "the first pair", |h| has(h, "Left is better"));
    let told = names(&window);
    assert!(!told.iter().any(|n| n.contains("mountains") || n.starts_with("Why")), "not blind: {told:?}");
    press(&mut window, "Left is better");
    until(&mut window, "the next pair", |h| has(h, "Pair 2 of") && has(h, "Left is better"));
    window.key_press(egui::Key::ArrowDown);
    let began = Instant::now();
    while !has(&window, "Does it help?") {
        window.key_press(egui::Key::ArrowRight);
        window.step();
        std::thread::sleep(Duration::from_millis(4));
        assert!(began.elapsed() < PATIENCE, "the test has no end: {:?}", names(&window));
    }
    let kept =
        |h: &Harness<'_, App>| names(h).iter().find_map(|n| n.strip_suffix(" blind answers kept.")?.parse().ok());
    let answers: usize = kept(&window).expect("how many answers were given");
    assert!((2..=10).contains(&answers), "{answers}");
    let said = format!("In {answers} pairs that you judged blind");
    until(&mut window, "the result", |h| has(h, &said));
    let (library, _) = Library::open(folder.path()).expect("library");
    let trials = library.trials().expect("trials");
    assert_eq!(trials.len(), answers);
    let result = names(&window).into_iter().find(|n| n.starts_with(&said)).expect("the result");

    // The pictures join the wall; a later start knows the result.
    press(&mut window, "Close");
    until(&mut window, "the pictures of the test", |h| pictures(h).len() >= 8 + 2 * trials.len().min(2));
    drop(window);
    let mut window = open(folder.path(), &tiny(), [1280.0, 800.0]);
    ready(&mut window);
    window.key_press(egui::Key::Escape);
    press(&mut window, "Your taste");
    until(&mut window, "the result of before", |h| names(h).contains(&result));
}

#[test]
fn the_settings_of_a_picture_come_back_whole() {
    let folder = tempfile::tempdir().expect("folder");
    let recipe = kiln::recipe::Recipe {
        prompt: "a red fox".into(),
        negative_prompt: "busy".into(),
        seed: 77,
        width: 128,
        height: 128,
        steps: 3,
        sampler: "heun".into(),
        clip_skip: 2,
        cfg_rescale: 0.5,
        variation: Some(kiln::recipe::Variation { subseed: 5, strength: 0.25 }),
        seamless: true,
        first_pass: Some(kiln::recipe::FirstPass {
            width: 64,
            height: 64,
            denoising_strength: 0.5,
            upscaler: kiln::recipe::Upscaler::LatentBicubic,
        }),
        ..kiln::recipe::Recipe::default()
    };
    let (library, _) = Library::open(folder.path()).expect("library");
    let rgb = vec![90; 128 * 128 * 3];
    let picture = kiln::recipe::Picture { width: 128, height: 128, rgb, recipe: recipe.clone(), seconds: 0.0 };
    library.add(&picture).expect("added");
    let mut window = open(folder.path(), &tiny(), [1280.0, 1200.0]);
    ready(&mut window);
    press(&mut window, "All");
    until(&mut window, "the picture", |h| pictures(h).len() == 1);
    starting(&window, "Picture 1:").focus();
    window.step();
    window.key_press(egui::Key::Enter);
    until(&mut window, "what was rarely set", |h| has(h, "5, by 0.25") && has(h, "64 × 64, by 0.50, Latent (bicubic)"));
    // A seamless picture is laid side by side with itself, until the person has seen enough of that.
    press(&mut window, "Side by side");
    press(&mut window, "Side by side");
    press(&mut window, "Use settings");
    until(&mut window, "the wall", |h| has(h, "Session"));
    // The bar at the bottom says "1 picture", too.
    window.get_by_role_and_label(egui::accesskit::Role::Button, "1 picture").click();
    window.step();
    press(&mut window, "Generate");
    until(&mut window, "its like", |h| pictures(h).len() == 2 && !has(h, "Cancel"));
    let made = library.get(2).expect("entry").recipe;
    assert_eq!(kiln::recipe::Recipe { model: recipe.model.clone(), ..made }, recipe);

    // The fold shows all of it, and only samplers that the model can use.
    press(&mut window, "Advanced");
    window.step();
    assert!(has(&window, "to 128 × 128"), "{:?}", names(&window));
    for name in ["Clip skip", "CFG rescale", "Vary by", "Rework"] {
        assert!(window.query_by_role_and_label(egui::accesskit::Role::Slider, name).is_some(), "{:?}", names(&window));
    }
    window.get_by_role_and_label(egui::accesskit::Role::ComboBox, "Upscaler").scroll_to_me();
    (0..20).for_each(|_| window.step());
    window.get_by_role_and_label(egui::accesskit::Role::ComboBox, "Upscaler").click();
    window.step();
    until(&mut window, "the upscalers", |h| has(h, "Latent (nearest)") && has(h, "Lanczos"));
    press(&mut window, "Latent (nearest)");
    press(&mut window, "Generate");
    until(&mut window, "another", |h| pictures(h).len() == 3 && !has(h, "Cancel"));
    let first_pass = library.get(3).expect("entry").recipe.first_pass;
    assert_eq!(first_pass.map(|first| first.upscaler), Some(kiln::recipe::Upscaler::LatentNearest));
    window.get_by_role_and_label(egui::accesskit::Role::ComboBox, "Sampler").scroll_to_me();
    (0..20).for_each(|_| window.step());
    window.get_by_role_and_label(egui::accesskit::Role::ComboBox, "Sampler").click();
    window.step();
    until(&mut window, "the menu", |h| has(h, "DDIM"));
    assert!(!has(&window, "DPM2") && !has(&window, "PLMS"), "this checkpoint predicts a flow: {:?}", names(&window));
}

/// Pictures of one family, painted by the corpus, into the folder that the dialogs answer with.
fn paint(library: &Path, count: u64, side: usize) -> PathBuf {
    use kiln::corpus::{Painter, families::Family, palettes::PaletteChoice, rng::Rng};
    let (folder, painter) = (library.join("out"), Painter::new(None).expect("painter"));
    std::fs::create_dir_all(&folder).expect("folder");
    for seed in 0..count {
        let palette = PaletteChoice::draw(&mut Rng::new(seed));
        let rgb = painter.plain(seed, side, Family::Waves, palette).rgb;
        let picture = image::RgbImage::from_raw(side as u32, side as u32, rgb).expect("a picture");
        picture.save(folder.join(format!("{seed:02}.png"))).expect("saved");
    }
    folder
}

fn set(harness: &mut Harness<'_, App>, role: egui::accesskit::Role, name: &str, value: f64) {
    harness.get_by_role_and_label(role, name).set_value_accesskit(value);
    harness.step();
    harness.step();
}

fn switch(harness: &mut Harness<'_, App>, name: &str) {
    harness.get_by_role_and_label(egui::accesskit::Role::Switch, name).click();
    harness.step();
    harness.step();
}

/// Makes the first picture of the wall.
fn make_one(harness: &mut Harness<'_, App>) {
    harness.get_by_role_and_label(egui::accesskit::Role::Button, "1 picture").click();
    harness.step();
    press(harness, "Generate");
    until(harness, "a picture", |h| pictures(h).len() == 1 && !has(h, "Cancel"));
}

/// Opens the page for teaching, chooses the folder that the dialogs answer with, and waits until all of it was looked at.
fn choose_folder(harness: &mut Harness<'_, App>, found: &str) {
    press(harness, "Adapters");
    harness.step();
    press(harness, "Teach Kiln…");
    harness.step();
    press(harness, "Choose a folder of pictures");
    until(harness, "what was found", |h| has(h, found));
    until(harness, "the end of the look", |h| !has(h, "Kiln is still looking"));
}

#[test]
fn teach_from_a_folder_see_the_proof_and_draw_with_the_adapter() {
    let folder = tempfile::tempdir().expect("folder");
    let images = paint(folder.path(), 8, 128);
    std::fs::write(images.join("torn.png"), b"torn").expect("file");
    let mut window = open(folder.path(), "ember", [1440.0, 1100.0]);
    ready(&mut window);
    press(&mut window, "Adapters");
    window.step();
    press(&mut window, "Teach Kiln…");
    until(&mut window, "the page", |h| has(h, "Choose a folder of pictures"));
    press(&mut window, "Choose a folder of pictures");
    until(&mut window, "what was found", |h| has(h, "8 pictures in out, 1 file left out, 8 captions drafted by Kiln"));
    press(&mut window, "Left out");
    until(&mut window, "reasons", |h| has(h, "torn.png: it is damaged"));
    press(&mut window, "Left out");
    (0..3).for_each(|_| window.step());
    press(&mut window, "Captions");
    until(&mut window, "captions", |h| has(h, "Caption of 00.png"));
    (0..3).for_each(|_| window.step());
    window.get_by_label("Caption of 00.png").focus();
    window.step();
    window.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    window.step();
    window.get_by_label("Caption of 00.png").type_text("calm waves");
    window.step();
    press(&mut window, "Captions");
    (0..3).for_each(|_| window.step());
    press(&mut window, "More settings");
    (0..3).for_each(|_| window.step());
    set(&mut window, egui::accesskit::Role::SpinButton, "Steps", 4.0);
    set(&mut window, egui::accesskit::Role::SpinButton, "Batch", 2.0);
    press(&mut window, "Begin to teach");
    until(&mut window, "the pictures before", |h| has(h, "Before: ") && has(h, "Show the lesson"));
    until_taught(&mut window);
    assert_eq!(std::fs::read_to_string(images.join("00.txt")).expect("caption"), "calm waves");
    assert!(has(&window, "Loss curves: held-out loss") && has(&window, "After: calm waves"), "{:?}", names(&window));
    // Four steps prove nothing, and what is not proven stays off.
    let gain = has(&window, "It has learnt your pictures");
    assert!(gain || has(&window, "No evidence of a gain"), "{:?}", names(&window));
    press(&mut window, "Show the adapters");
    until(&mut window, "the shelf", |h| has(h, "Taught to Ember from 6 pictures."));
    if !gain {
        switch(&mut window, "Use out");
    }
    press(&mut window, "Training card of out");
    until(&mut window, "the card", |h| has(h, "6 learnt from, 2 held out") && has(h, "SHA-256 "));
    set(&mut window, egui::accesskit::Role::Slider, "Strength of out", 0.5);
    press(&mut window, "Close");
    write(&mut window, "blue waves");
    make_one(&mut window);
    let (library, _) = Library::open(folder.path()).expect("library");
    let adapters = library.get(1).expect("entry").recipe.adapters;
    assert_eq!(adapters.len(), 1);
    assert!(adapters[0].name.ends_with("out.safetensors") && adapters[0].weight == 0.5 && adapters[0].hash.len() == 64);

    // Renamed, it is the same adapter, still in the mix; deleted, it is gone from there.
    press(&mut window, "All adapters…");
    until(&mut window, "the shelf", |h| has(h, "Rename out"));
    press(&mut window, "Rename out");
    until(&mut window, "the field", |h| has(h, "New name"));
    window.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    window.step();
    window.get_by_label("New name").type_text("Sea");
    window.step();
    press(&mut window, "Rename");
    until(&mut window, "the new name", |h| has(h, "Strength of Sea") && has(h, "Mix of Sea"));
    // The picture's Recipe names the old file, and finds it by its hash.
    press(&mut window, "Close");
    until(&mut window, "the wall", |h| pictures(h).len() == 1);
    starting(&window, "Picture 1:").focus();
    window.step();
    window.key_press(egui::Key::Enter);
    until(&mut window, "the large view", |h| has(h, "Use settings"));
    press(&mut window, "Use settings");
    until(&mut window, "the adapter under its new name", |h| has(h, "Mix of Sea") && !has(h, "Mix of out"));
    press(&mut window, "All adapters…");
    until(&mut window, "the shelf", |h| has(h, "Export Sea"));
    press(&mut window, "Export Sea");
    until(&mut window, "the copy", |_| images.join("Sea.safetensors").is_file());
    press(&mut window, "Delete Sea…");
    until(&mut window, "the question", |h| has(h, "Delete Sea?"));
    press(&mut window, "Delete it");
    until(&mut window, "an empty shelf", |h| has(h, "No adapters yet.") && !has(h, "Mix of Sea"));

    // A copy comes back from elsewhere; what is no adapter is a sentence.
    std::fs::write(images.join("elsewhere.safetensors"), b"no adapter").expect("file");
    press(&mut window, "Add a file…");
    until(&mut window, "the sentence", |h| names(h).iter().any(|n| n.contains("elsewhere.safetensors")));
    std::fs::rename(images.join("Sea.safetensors"), images.join("elsewhere.safetensors")).expect("moved");
    press(&mut window, "Add a file…");
    until(&mut window, "the copy", |h| has(h, "Use elsewhere"));

    // With it or without, nobody here knows which.
    press(&mut window, "Blind test of elsewhere");
    until(&mut window, "a pair", |h| has(h, "Pair 1 of 10") && has(h, "Left is better"));
    for key in [egui::Key::ArrowLeft, egui::Key::ArrowDown] {
        until(&mut window, "a pair", |h| has(h, "Left is better"));
        (0..3).for_each(|_| window.step());
        window.key_press(key);
        window.step();
    }
    until(&mut window, "the third pair", |h| has(h, "Pair 3 of"));
    press(&mut window, "End the blind test");
    until(&mut window, "what was found", |h| has(h, "In 2 pairs that you judged blind, pictures with it won"));
}

#[test]
fn a_new_word_is_taught_and_heard_in_a_prompt() {
    let folder = tempfile::tempdir().expect("folder");
    paint(folder.path(), 6, 128);
    let mut window = open(folder.path(), "ember", [1440.0, 1100.0]);
    ready(&mut window);
    write(&mut window, "<brine> at night");
    until(&mut window, "the unknown word", |h| has(h, "“brine” is"));
    choose_folder(&mut window, "6 pictures in out");
    press(&mut window, "A new word");
    until(&mut window, "its fields", |h| has(h, "Begins as"));
    for (name, text) in [("The new word", "<brine>"), ("Begins as", "zebra")] {
        window.get_by_role_and_label(egui::accesskit::Role::TextInput, name).focus();
        window.step();
        window.get_by_role_and_label(egui::accesskit::Role::TextInput, name).type_text(text);
        window.step();
    }
    set(&mut window, egui::accesskit::Role::SpinButton, "Steps", 4.0);
    until(&mut window, "the reason", |h| has(h, "“zebra” is not a word that Ember knows"));
    window.get_by_role_and_label(egui::accesskit::Role::TextInput, "Begins as").focus();
    window.step();
    window.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    window.step();
    window.get_by_role_and_label(egui::accesskit::Role::TextInput, "Begins as").type_text("waves");
    until(&mut window, "no reason", |h| !has(h, "“zebra”"));
    press(&mut window, "Begin to teach");
    until(&mut window, "the pictures before", |h| has(h, "Before: "));
    until_taught(&mut window);
    assert!(has(&window, "After: <brine>"), "{:?}", names(&window));
    press(&mut window, "Put it into the prompt");
    until(&mut window, "what is heard", |h| has(h, "<brine> is a word that was learnt.") && !has(h, "“brine” is"));
    let prompt = window.get_by_role_and_label(egui::accesskit::Role::MultilineTextInput, "Prompt").value();
    assert_eq!(prompt.as_deref(), Some("<brine> at night"), "it was there already");
    make_one(&mut window);
    let (library, _) = Library::open(folder.path()).expect("library");
    let words = library.get(1).expect("entry").recipe.embeddings;
    assert!(words.len() == 1 && words[0].name.ends_with("out.safetensors") && words[0].hash.len() == 64, "{words:?}");
    press(&mut window, "All adapters…");
    until(&mut window, "the shelf", |h| has(h, "The word <brine>, taught to Ember from"));
    press(&mut window, "Delete out…");
    until(&mut window, "the question", |h| has(h, "Delete out?"));
    press(&mut window, "Delete it");
    until(&mut window, "an empty shelf", |h| has(h, "No adapters yet."));
    press(&mut window, "Close");
    until(&mut window, "a word like any other", |h| has(h, "“brine” is") && !has(h, "was learnt"));
}

#[test]
fn good_settings_are_looked_for_and_shown() {
    let folder = tempfile::tempdir().expect("folder");
    paint(folder.path(), 6, 64);
    let mut window = open(folder.path(), &tiny(), [1440.0, 1100.0]);
    ready(&mut window);
    choose_folder(&mut window, "6 pictures in out");
    set(&mut window, egui::accesskit::Role::SpinButton, "Steps", 4.0);
    press(&mut window, "find good ones first");
    press(&mut window, "Begin to teach");
    until(&mut window, "trials", |h| has(h, "Settings that were tried"));
    until_taught(&mut window);
    assert!(has(&window, "Weight decay") && has(&window, "Settings that were tried"));
}

#[test]
fn ratings_teach_and_are_forgotten_with_what_they_taught() {
    let folder = tempfile::tempdir().expect("folder");
    let mut window = open(folder.path(), "ember", [1440.0, 1100.0]);
    ready(&mut window);
    press(&mut window, "Adapters");
    window.step();
    press(&mut window, "Teach Kiln…");
    until(&mut window, "the page", |h| has(h, "No choice yet: rate a few pictures first."));
    press(&mut window, "Close");
    until(&mut window, "the wall", |h| has(h, "Generate"));
    rate_eight(&mut window, "waves");
    press(&mut window, "Teach Kiln…");
    until(&mut window, "choices", |h| has(h, "8 choices so far."));
    press(&mut window, "Teach from your ratings");
    until(&mut window, "the plan", |h| has(h, "8 choices in this library"));
    (0..3).for_each(|_| window.step());
    press(&mut window, "More settings");
    (0..3).for_each(|_| window.step());
    assert!(!has(&window, "Loss"), "choices have their own");
    set(&mut window, egui::accesskit::Role::SpinButton, "Steps", 3.0);
    set(&mut window, egui::accesskit::Role::SpinButton, "Batch", 2.0);
    press(&mut window, "Begin to teach");
    until(&mut window, "the pictures before", |h| has(h, "Before: waves"));
    until_taught(&mut window);
    assert!(
        names(&window).iter().any(|n| n.starts_with("Learnt from ") && n.contains(" choice")),
        "{:?}",
        names(&window)
    );
    press(&mut window, "Show the adapters");
    until(&mut window, "the shelf", |h| has(h, "Training card of My taste"));
    press(&mut window, "Close");
    press(&mut window, "Your taste");
    until(&mut window, "the page", |h| has(h, "Forget my taste…"));
    press_there(&mut window, "Forget my taste…");
    until(&mut window, "the question", |h| has(h, "Your ratings also taught My taste: deleted, too."));
    press(&mut window, "Forget everything");
    let file = folder.path().join("adapters/My taste.safetensors");
    until(&mut window, "no adapter", |_| !file.exists());
}

#[test]
fn a_lesson_is_paused_and_gone_on_with_after_a_restart() {
    let folder = tempfile::tempdir().expect("folder");
    paint(folder.path(), 5, 64);
    let mut window = open(folder.path(), &tiny(), [1440.0, 1000.0]);
    ready(&mut window);
    choose_folder(&mut window, "5 pictures in out");
    set(&mut window, egui::accesskit::Role::SpinButton, "Steps", 3000.0);
    press(&mut window, "Begin to teach");
    until(&mut window, "some steps", |h| has(h, "Step ") && has(h, "Loss curves"));
    // Pictures need not wait.
    write(&mut window, "waves");
    make_one(&mut window);
    press(&mut window, "Show the lesson");
    until(&mut window, "the lesson", |h| has(h, "Pause"));
    press(&mut window, "Pause");
    until(&mut window, "the pause", |h| has(h, "Paused at step"));
    press(&mut window, "Later");
    until(&mut window, "what waits", |h| has(h, "Go on with out"));
    drop(window);

    let mut window = open(folder.path(), &tiny(), [1440.0, 1000.0]);
    ready(&mut window);
    press(&mut window, "All adapters…");
    until(&mut window, "what is not finished", |h| has(h, "Its lesson is not finished."));
    press(&mut window, "Show the lesson");
    until(&mut window, "what waits", |h| has(h, "Go on with out"));
    press(&mut window, "Go on with out");
    until(&mut window, "further steps", |h| has(h, "Step ") && has(h, "Loss curves"));
    press(&mut window, "Pause");
    until(&mut window, "the pause", |h| has(h, "Paused at step"));
    press(&mut window, "Give up this lesson");
    until(&mut window, "the question", |h| has(h, "Delete out?"));
    press(&mut window, "Delete it");
    until(&mut window, "nothing left", |_| {
        std::fs::read_dir(folder.path().join("adapters")).is_ok_and(|files| files.count() == 0)
    });
}

#[test]
fn a_painted_mask_changes_only_what_is_painted() {
    let folder = tempfile::tempdir().expect("folder");
    let mut window = open(folder.path(), &tiny(), [1280.0, 1200.0]);
    ready(&mut window);
    let side = 64;
    let file = folder.path().join("out/picked.png");
    let source = save_source(&file, side, side);
    write(&mut window, "waves");
    press(&mut window, "Start from a picture");
    press(&mut window, "Choose a picture");
    until(&mut window, "the picture", |h| has(h, "Start picture picked.png") && has(h, "64 × 64"));
    window.get_by_role_and_label(egui::accesskit::Role::Slider, "Strength").set_value_accesskit(1.0);
    window.step();

    press(&mut window, "Paint mask");
    until(&mut window, "the canvas", |h| has(h, "Brush size"));
    assert!(has(&window, "Nothing is painted yet"), "{:?}", names(&window));
    let size = |h: &Harness<'_, App>| {
        let slider = h.get_by_role_and_label(egui::accesskit::Role::Slider, "Brush size");
        slider.accesskit_node().numeric_value().expect("a number")
    };
    let before = size(&window);
    window.key_press(egui::Key::CloseBracket);
    window.step();
    assert!(size(&window) > before);
    window.key_press(egui::Key::OpenBracket);
    window.step();
    assert!((size(&window) - before).abs() < 0.5);
    // A stroke over the upper left part, with the pointer.
    let stroke = |h: &mut Harness<'_, App>| {
        let canvas = h.get_by_label("Mask canvas").rect();
        let middle = canvas.center();
        h.hover_at(middle - egui::vec2(160.0, 160.0));
        h.step();
        h.drag_at(middle - egui::vec2(160.0, 160.0));
        h.step();
        h.hover_at(middle - egui::vec2(100.0, 160.0));
        h.step();
        h.hover_at(middle - egui::vec2(60.0, 100.0));
        h.step();
        h.drop_at(middle - egui::vec2(60.0, 100.0));
        h.step();
    };
    stroke(&mut window);
    assert!(has(&window, "Less than") || names(&window).iter().any(|n| n.ends_with("% of the picture may change.")));
    press(&mut window, "Undo");
    until(&mut window, "nothing", |h| has(h, "Nothing is painted yet"));
    press(&mut window, "Redo");
    until(&mut window, "the stroke", |h| !has(h, "Nothing is painted yet"));
    // Cancel leaves everything as it was, and offers a way back.
    window.key_press(egui::Key::Escape);
    until(&mut window, "the wall", |h| has(h, "Back to it") && has(h, "Paint mask"));
    accept(&mut window, "Back to it");
    until(&mut window, "the canvas again", |h| has(h, "Mask canvas") && !has(h, "Nothing is painted yet"));
    press(&mut window, "Done");
    until(&mut window, "the mask", |h| has(h, "Edit mask"));

    press(&mut window, "1 picture");
    press(&mut window, "Generate");
    until(&mut window, "a picture", |h| pictures(h).len() == 1 && !has(h, "Cancel"));
    let (library, _) = Library::open(folder.path()).expect("library");
    let entry = library.get(1).expect("entry");
    let kept = entry.recipe.mask.clone().expect("a mask in the recipe");
    assert!(Path::new(&kept.path).starts_with(folder.path().join("masks")) && kept.keep_outside, "{kept:?}");
    assert_eq!(entry.recipe.source.expect("a source").path, file.display().to_string());
    let mask = image::open(&kept.path).expect("the mask").to_luma8();
    let made = image::open(&entry.path).expect("the picture").to_rgb8();
    assert_eq!((made.dimensions(), mask.dimensions()), ((side, side), (side, side)));
    let (mut inside, mut changed) = (0, 0);
    for (x, y, grey) in mask.enumerate_pixels() {
        if grey.0[0] >= 128 {
            inside += 1;
            changed += usize::from(made.get_pixel(x, y) != source.get_pixel(x, y));
        } else {
            assert_eq!(made.get_pixel(x, y), source.get_pixel(x, y), "outside the mask at {x}, {y}");
        }
    }
    assert!(inside > 60 && changed > inside / 2, "{changed} of {inside} pixels changed");

    // A later start shows the same; without a mask everything may change again.
    drop(window);
    let mut window = open(folder.path(), &tiny(), [1280.0, 1200.0]);
    ready(&mut window);
    until(&mut window, "picture and mask", |h| has(h, "Edit mask") && has(h, "64 × 64"));
    press(&mut window, "Edit mask");
    until(&mut window, "what was painted", |h| has(h, "Brush size") && !has(h, "Nothing is painted yet"));
    press(&mut window, "Clear");
    press(&mut window, "Done");
    until(&mut window, "no mask", |h| has(h, "Paint mask") && has(h, "Nothing is painted, so that"));
    press(&mut window, "Remove the start picture");
    until(&mut window, "a place for another", |h| has(h, "Choose a picture"));
}

#[test]
fn a_dropped_picture_brings_its_settings_or_becomes_the_start() {
    let folder = tempfile::tempdir().expect("folder");
    let mut window = open(folder.path(), &tiny(), [1280.0, 1600.0]);
    ready(&mut window);

    // One without settings is a start, in its own shape; more room on one side makes the picture wider.
    let plain = folder.path().join("plain.jpg");
    save_source(&plain, 128, 64);
    drop_file(&mut window, &plain);
    until(&mut window, "the start", |h| {
        has(h, "Start picture plain.jpg") && has(h, "The next pictures start from plain")
    });
    write(&mut window, "waves");
    press(&mut window, "Advanced");
    let sides = |h: &Harness<'_, App>| {
        ["Width", "Height"].map(|name| h.get_by_label(name).accesskit_node().numeric_value().expect("a number"))
    };
    assert_eq!(sides(&window), [128.0, 64.0]);
    window.get_by_label("Extend right").increment_accesskit();
    window.step();
    window.step();
    let [wide, high] = sides(&window);
    assert!(wide > 128.0 && high == 64.0, "{wide} x {high}");
    press(&mut window, "1 picture");
    press(&mut window, "Generate");
    until(&mut window, "a picture", |h| pictures(h).len() == 1 && !has(h, "Cancel"));
    let (library, _) = Library::open(folder.path()).expect("library");
    let made = library.get(1).expect("entry");
    assert_eq!(made.width as f64, wide);
    assert_eq!(made.recipe.outpaint.map(|o| f64::from(o.right)), Some(wide - 128.0));
    let pixels = image::open(&made.path).expect("the picture").to_rgb8();
    let source = image::open(&plain).expect("the source").to_rgb8();
    assert!((0..64).all(|y| pixels.get_pixel(3, y) == source.get_pixel(3, y)), "the source itself stays");

    // One with settings brings them, and can be the start as well.
    press(&mut window, "Remove the start picture");
    until(&mut window, "no start", |h| has(h, "Choose a picture") && sides(h) == [64.0, 64.0]);
    let recipe =
        kiln::recipe::Recipe { prompt: "an owl".into(), width: 64, height: 64, ..kiln::recipe::Recipe::default() };
    let picture = kiln::recipe::Picture { width: 64, height: 64, rgb: vec![70; 64 * 64 * 3], recipe, seconds: 0.0 };
    let bytes = kiln::library::metadata::encode_png(&picture).expect("bytes");
    let told = folder.path().join("told.png");
    std::fs::write(&told, bytes).expect("file");
    drop_file(&mut window, &told);
    until(&mut window, "the settings", |h| has(h, "The settings of told.png are in place"));
    assert!(has(&window, "Choose a picture"), "it is no start yet: {:?}", names(&window));
    let prompt = window.get_by_role_and_label(egui::accesskit::Role::MultilineTextInput, "Prompt").value();
    assert_eq!(prompt.as_deref(), Some("an owl"));
    accept(&mut window, "Start from it");
    until(&mut window, "the start", |h| has(h, "Start picture told.png"));

    // A picture of the wall, too.
    starting(&window, "Picture 1:").focus();
    window.step();
    window.key_press(egui::Key::Enter);
    // The message lies over the buttons for a while.
    until(&mut window, "the large view", |h| has(h, "Use as start") && !has(h, "The next pictures start"));
    press(&mut window, "Use as start");
    let name = made.path.file_name().expect("a name").to_string_lossy().into_owned();
    until(&mut window, "the start", |h| has(h, &format!("Start picture {name}")));

    // What is no picture is said, and changes nothing.
    let words = folder.path().join("notes.txt");
    std::fs::write(&words, "no picture").expect("file");
    drop_file(&mut window, &words);
    until(&mut window, "a sentence", |h| {
        names(h).iter().any(|n| n.contains("notes.txt is no picture that Kiln can read"))
    });
    assert!(has(&window, &format!("Start picture {name}")));
}

#[test]
fn models_are_opened_from_files_and_folders_and_remembered() {
    let folder = tempfile::tempdir().expect("folder");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/golden");
    let mut window = open(folder.path(), &tiny(), [1280.0, 800.0]);
    ready(&mut window);
    let menu = |h: &mut Harness<'_, App>| {
        let name = names(h).into_iter().find(|n| n.ends_with("  …")).expect("the menu of models");
        press(h, &name);
        h.step();
    };
    // The one in use is remembered, and says what it is.
    menu(&mut window);
    until(&mut window, "what it is", |h| has(h, "Tiny_pipeline: Kiln's own · ") && has(h, "Ember, the model of this"));

    // An adapter is no model; the one before stays.
    std::fs::copy(golden.join("lora/peft.safetensors"), folder.path().join("out/picked.safetensors")).expect("copy");
    press(&mut window, "Open a checkpoint file…");
    until(&mut window, "a sentence", |h| names(h).iter().any(|n| n.contains("picked.safetensors is an adapter")));
    assert!(has(&window, "Tiny ·") || has(&window, "Tiny_pipeline ·"), "{:?}", names(&window));

    // A folder.
    copy(&golden.join("tiny_sd"), &folder.path().join("out"));
    menu(&mut window);
    press(&mut window, "Open a model folder…");
    until(&mut window, "another model", |h| has(h, "Out ·"));
    // A file that only looks like a model is refused, and the one before stays in use.
    let header = br#"{"model.diffusion_model.x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"cond_stage_model.transformer.x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 8]].concat();
    let broken = folder.path().join("broken.safetensors");
    std::fs::write(&broken, bytes).expect("file");
    drop_file(&mut window, &broken);
    until(&mut window, "a sentence", |h| names(h).iter().any(|n| n.contains("broken.safetensors")));
    assert!(has(&window, "Out ·"), "{:?}", names(&window));

    drop(window);
    let mut window = open(folder.path(), &tiny(), [1280.0, 800.0]);
    ready(&mut window);
    menu(&mut window);
    until(&mut window, "both", |h| has(h, "Out: Stable Diffusion · ") && has(h, "Tiny_pipeline: Kiln's own · "));
    press(&mut window, "Forget Out");
    window.step();
    menu(&mut window);
    until(&mut window, "one", |h| !has(h, "Out: ") && has(h, "Tiny_pipeline: "));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("folder");
    for entry in std::fs::read_dir(from).expect("folder").flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => _ = std::fs::copy(entry.path(), target).expect("copy"),
        }
    }
}

/// Pictures of the window for `screenshots/`: `KILN_SCREENSHOTS=1 cargo test --release --test studio -- --ignored`.
#[test]
#[ignore = "makes the pictures in screenshots/"]
fn screenshots() {
    assert!(std::env::var_os("KILN_SCREENSHOTS").is_some(), "set KILN_SCREENSHOTS=1, so that the window is painted");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ember = root.join("models/ember");
    let model = if ember.join("model_index.json").is_file() { "ember".to_string() } else { tiny() };
    for size in [[1280.0, 800.0], [1920.0, 1080.0]] {
        let folder = tempfile::tempdir().expect("folder");
        let mut window = open(folder.path(), &model, size);
        let save = |window: &mut Harness<'_, App>, name: &str| {
            (0..6).for_each(|_| window.step());
            let picture = window.render().expect("a picture of the window");
            let path = root.join(format!("screenshots/{name}-{}x{}.png", size[0], size[1]));
            std::fs::create_dir_all(root.join("screenshots")).expect("folder");
            picture.save(&path).expect("save");
        };
        ready(&mut window);
        save(&mut window, "start");
        let prompts = [
            "a red fox in front of misty blue mountains, calm",
            "gold kaleidoscope",
            "an owl in front of a night sky, purple",
            "stained glass in rainbow colours",
        ];
        press(&mut window, "8 pictures");
        for prompt in prompts {
            window.get_by_role_and_label(egui::accesskit::Role::MultilineTextInput, "Prompt").focus();
            window.step();
            window.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
            window.step();
            write(&mut window, prompt);
            press(&mut window, "Generate");
            let all = pictures(&window).len();
            if prompt == prompts[3] {
                until(&mut window, "pictures", |h| pictures(h).len() > all + 1 || !has(h, "Cancel"));
                save(&mut window, "generating");
            }
            until(&mut window, "pictures", |h| !has(h, "Cancel"));
        }
        let shown: Vec<String> =
            pictures(&window).iter().filter_map(|p| p.split(':').next().map(|n| format!("{n}:"))).collect();
        for (picture, key) in [(1, egui::Key::Num5), (3, egui::Key::Num4), (6, egui::Key::F), (9, egui::Key::Num5)] {
            starting(&window, &shown[picture]).focus();
            window.step();
            window.key_press(key);
            (0..4).for_each(|_| window.step());
        }
        std::thread::sleep(Duration::from_millis(300));
        save(&mut window, "wall");
        starting(&window, &shown[1]).focus();
        window.step();
        window.key_press(egui::Key::Enter);
        until(&mut window, "the large view", |h| has(h, "Sampler"));
        std::thread::sleep(Duration::from_millis(300));
        save(&mut window, "view");
        window.key_press(egui::Key::Escape);
        window.step();
        window.step();
        starting(&window, &shown[1]).click();
        window.step();
        starting(&window, &shown[2]).click_modifiers(egui::Modifiers::COMMAND);
        window.step();
        window.key_press(egui::Key::C);
        until(&mut window, "the comparison", |h| has(h, "Left is better"));
        std::thread::sleep(Duration::from_millis(300));
        save(&mut window, "compare");
    }
}
