//! Teaching in the window: what the person has chosen, what the worker told, and the page that shows either.

use super::app::Screen;
use super::icons::{self, Icon};
use super::lesson::{Now, Phase};
use super::teach_plan::{Learns, Plan};
use super::textures::upload;
use super::{App, theme, widgets};
use crate::pipeline::ModelInfo;
use crate::recipe::{AdapterRef, Recipe};
use crate::tuning::finetune::gather::LeftOut;
use crate::tuning::finetune::settings::LARGE;
use crate::tuning::finetune::survey::{Found, Seen};
use crate::tuning::finetune::{Settings, Taught};
use crate::tuning::lesson::{Lesson, Rated};
use crate::tuning::shelf::check_name;
use crate::worker::{Clerical, JobId, News, Request};
use egui::{Context, RichText, ScrollArea, TextureHandle, Ui};
use std::path::{Path, PathBuf};

/// Pictures of a folder that are shown; the captions of the others are listed without.
const SHOWN: usize = 400;
/// Pictures before and after; large checkpoints get one, as each takes minutes.
const LOOKS: usize = 8;

/// A picture of the chosen folder.
pub(super) struct Pupil {
    /// Its file.
    pub path: PathBuf,
    /// Its words, as they are in the window.
    pub caption: String,
    /// Whether Kiln drafted them.
    pub drafted: bool,
    /// Whether the person changed them.
    pub edited: bool,
    /// Whether the model knows all its words, once that was looked up.
    pub known: Option<bool>,
    /// A small copy.
    pub texture: Option<TextureHandle>,
}

/// What is known of the chosen folder.
pub(super) struct Class {
    /// The look that tells of it.
    job: JobId,
    /// The folder.
    pub folder: PathBuf,
    /// Pictures that can be learnt from.
    pub pupils: Vec<Pupil>,
    /// Files that cannot.
    pub left_out: Vec<LeftOut>,
    /// Files done and in all.
    pub progress: (usize, usize),
    /// The look is over.
    pub over: bool,
    /// Why it could not be taken.
    pub trouble: Option<String>,
    /// Memory that was free then, bytes.
    pub free: Option<u64>,
}

/// The state of teaching.
#[derive(Default)]
pub(super) struct TeachView {
    /// The chosen folder.
    pub class: Option<Class>,
    /// The person's choices are to teach instead.
    pub rated: bool,
    /// Groups of pictures that taste is to choose from, besides.
    pub imagined: u64,
    /// What the person has set.
    pub plan: Plan,
    /// The name of the adapter to be.
    pub name: String,
    /// The lesson that is under way, or was last.
    pub now: Option<Now>,
    /// Lessons of before that can be gone on with.
    pub waiting: Vec<Lesson>,
    /// Folds that are open: captions, files left out, advanced.
    pub folds: [bool; 3],
}

impl TeachView {
    /// The lesson that a job is.
    fn of(&mut self, job: JobId) -> Option<&mut Now> {
        self.now.as_mut().filter(|now| now.job == job)
    }

    /// Whether a lesson is under way.
    pub fn is_busy(&self) -> bool {
        self.now.as_ref().is_some_and(Now::is_busy)
    }

    /// Something of the chosen folder was seen.
    pub fn seen(&mut self, ctx: &Context, job: JobId, done: usize, of: usize, seen: Option<Seen>) {
        let Some(class) = self.class.as_mut().filter(|class| class.job == job) else { return };
        class.progress = (done, of);
        match seen {
            Some(Seen::Found(Found { path, caption, drafted, small })) => {
                let show = class.pupils.len() < SHOWN;
                let name = || format!("pupil {}", path.display());
                let texture = show.then(|| upload(ctx, name(), small.width, small.height, &small.rgb)).flatten();
                class.pupils.push(Pupil { path, caption, drafted, edited: false, known: None, texture });
            }
            Some(Seen::LeftOut(file)) => class.left_out.push(file),
            None => {}
        }
    }

    /// The look at the chosen folder is over.
    pub fn surveyed(&mut self, job: JobId, trouble: Option<String>, free: Option<u64>) {
        if let Some(class) = self.class.as_mut().filter(|class| class.job == job) {
            (class.over, class.trouble, class.free) = (true, trouble, free);
        }
    }
}

impl App {
    /// Opens or closes the page.
    pub(super) fn toggle_teach_page(&mut self) {
        self.screen = if self.screen == Screen::Teach { Screen::Wall } else { Screen::Teach };
    }

    /// Has a folder looked at, to teach from it.
    pub(super) fn choose_class(&mut self, folder: PathBuf) {
        let Some(info) = self.info() else { return self.toasts.notice("The model is not ready yet.") };
        self.screen = Screen::Teach;
        if self.teach.is_busy() {
            return self.toasts.notice("A lesson is under way: stop it first, or wait for its end.");
        }
        (self.teach.now, self.teach.rated) = (None, false);
        let job = self.next_number();
        self.teach.name =
            self.free_name(&folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default());
        self.teach.class = Some(Class {
            job,
            folder: folder.clone(),
            pupils: Vec::new(),
            left_out: Vec::new(),
            progress: (0, 0),
            over: false,
            trouble: None,
            free: None,
        });
        self.link.send(Request::Clerk(Clerical::Survey { job, folder, info }));
    }

    /// Opens the page to teach from the person's choices.
    pub(super) fn choose_ratings(&mut self) {
        self.screen = Screen::Teach;
        if self.teach.is_busy() {
            return self.toasts.notice("A lesson is under way: stop it first, or wait for its end.");
        }
        if self.teach.class.is_some() {
            self.leave_class();
        }
        (self.teach.now, self.teach.rated) = (None, true);
        self.teach.name = self.free_name("My taste");
    }

    /// Lets the chosen folder go.
    pub(super) fn leave_class(&mut self) {
        self.teach.class = None;
        self.link.send(Request::Clerk(Clerical::LeaveSurvey));
    }

    /// A name that no adapter has, nor a lesson that waits.
    fn free_name(&self, wanted: &str) -> String {
        let wanted = if check_name(wanted).is_ok() { wanted.trim() } else { "My style" };
        let taken =
            |name: &str| self.shelf.has(name) || self.teach.waiting.iter().any(|l| l.name().eq_ignore_ascii_case(name));
        let numbered = (2..).map(|n| format!("{wanted} {n}"));
        std::iter::once(wanted.to_string()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
    }

    /// Whether teaching can begin, else why not.
    pub(super) fn can_teach(&self) -> Result<(), String> {
        if self.info().is_none() {
            return Err("The model is not ready yet.".into());
        }
        match &self.teach.class {
            _ if self.teach.rated && self.taste.choices() == 0 => {
                return Err("There is no choice to learn from yet: rate a few pictures first.".into());
            }
            _ if self.teach.rated => {}
            None => return Err("Choose a folder of pictures first.".into()),
            Some(class) if !class.over => return Err("Kiln is still looking at the pictures.".into()),
            Some(class) if class.pupils.is_empty() => return Err("There is no picture to learn from.".into()),
            Some(_) => {}
        }
        let name = check_name(&self.teach.name).map_err(|e| e.message)?;
        if self.shelf.has(name) || self.teach.waiting.iter().any(|l| l.name().eq_ignore_ascii_case(name)) {
            return Err(format!("There is an adapter called {name} already: choose another name."));
        }
        if let (false, Learns::Word, Some(info)) = (self.teach.rated, self.teach.plan.learns, self.info()) {
            self.can_learn_word(&info)?;
        }
        Ok(())
    }

    fn can_learn_word(&self, info: &ModelInfo) -> Result<(), String> {
        let [name, initial] = self.teach.plan.word.each_ref().map(|word| word.trim());
        if name.is_empty() || initial.is_empty() {
            return Err("Write the new word, and one that the model knows for it to begin as.".into());
        }
        self.teach.plan.settings(info).check().map_err(|e| e.message)?;
        let taken = |known: &crate::tuning::shelf::Word| known.text.eq_ignore_ascii_case(name);
        if self.shelf.adapters.iter().filter_map(|a| a.word.as_ref()).any(taken) {
            return Err(format!("{name} is taught already: write another word."));
        }
        if !info.knows(initial) || initial.contains(char::is_whitespace) {
            let model = super::panel::display_name(&info.name);
            return Err(format!("“{initial}” is not a word that {model} knows: begin as another one."));
        }
        Ok(())
    }

    /// Begins a lesson with what was chosen.
    pub(super) fn teach_class(&mut self) {
        let (Ok(()), Some(info)) = (self.can_teach(), self.info()) else { return };
        if self.teach.rated {
            return self.teach_ratings(&info);
        }
        let Some(class) = &self.teach.class else { return };
        let edited = class.pupils.iter().filter(|p| p.edited);
        let plan = &self.teach.plan;
        let prompts = match plan.learns {
            // What it is drawn with has to name it.
            Learns::Word => vec![plan.word[0].trim()],
            _ => class.pupils.iter().map(|p| p.caption.as_str()).collect(),
        };
        let captions = edited.map(|p| (p.path.clone(), p.caption.trim().to_string())).collect();
        let lesson = self.lesson(&info, class.folder.clone(), self.teach.plan.settings(&info), prompts);
        self.start_lesson(Lesson { captions, search: plan.searches(), ..lesson });
    }

    /// A lesson under the name that was chosen, not begun yet.
    fn lesson(&self, info: &ModelInfo, folder: PathBuf, settings: Settings, prompts: Vec<&str>) -> Lesson {
        let ending = if settings.taught == Taught::Full { "" } else { ".safetensors" };
        Lesson {
            folder,
            rated: None,
            search: false,
            out: self.shelf.folder.join(format!("{}{ending}", self.teach.name.trim())),
            base: info.hash.clone(),
            settings,
            looks: looks(prompts, info, &self.settings.form.prompt),
            captions: Vec::new(),
            resume: false,
        }
    }

    fn teach_ratings(&mut self, info: &ModelInfo) {
        let liked = self.gallery.entries.values().filter(|e| e.rating >= 4 || e.favourite);
        let prompts = liked.map(|e| e.recipe.prompt.as_str()).collect();
        let folder = self.shelf.folder.parent().unwrap_or(&self.shelf.folder).to_path_buf();
        let rated = Some(Rated { imagined: self.teach.imagined, choices: None });
        let lesson = self.lesson(info, folder, self.teach.plan.settings_of_choices(info), prompts);
        self.start_lesson(Lesson { rated, ..lesson });
    }

    /// Begins a lesson, or goes on with one.
    pub(super) fn start_lesson(&mut self, lesson: Lesson) {
        if self.teach.is_busy() {
            return self.toasts.notice("A lesson is under way: stop it first, or wait for its end.");
        }
        let job = self.next_number();
        let before = self.teach.now.take().filter(|now| now.lesson.out == lesson.out);
        self.teach.now = Some(Now::new(job, lesson.clone(), before));
        self.screen = Screen::Teach;
        self.link.send(Request::Teach { job, lesson: Box::new(lesson) });
    }

    /// Stops the lesson that is under way.
    pub(super) fn stop_lesson(&mut self) {
        if let Some(now) = self.teach.now.as_mut().filter(|now| now.is_busy()) {
            now.phase = Phase::Stopping;
            self.link.send(Request::Cancel { job: now.job });
        }
    }

    /// The worker told of a lesson.
    pub(super) fn lesson_news(&mut self, ctx: &Context, job: JobId, news: News) {
        let Some(now) = self.teach.of(job) else { return };
        if let (News::Step { step, of, seconds_left, .. }, Phase::Teaching) = (&news, now.phase)
            && of > step
        {
            let seconds = seconds_left / (of - step) as f32;
            self.settings.teaching_pace = now.pace(seconds).map(|pace| (now.lesson.base.clone(), pace));
        }
        if let News::Stopped(_) = news {
            // From now on it can be gone on with, whatever the person does with this page.
            self.shelf.changed();
        }
        let finished = matches!(news, News::Finished { .. });
        now.told(ctx, news);
        if !finished {
            return;
        }
        let (name, path) = (now.lesson.name(), now.lesson.out.display().to_string());
        let (gain, base, taught) = (now.is_gain(), now.lesson.base.clone(), now.lesson.settings.taught.clone());
        let fits = self.info().is_some_and(|info| info.hash == base);
        let proof = if gain { "" } else { " There is no proof of a gain." };
        if let Taught::Word { name, .. } = taught {
            self.toasts.notice(format!("{name} is taught: write it in your prompt.{proof}"));
        } else if taught == Taught::Full {
            self.settings.remember_model(&path);
            self.toasts.notice(format!("{name} is taught: it is in the menu of models.{proof}"));
        } else if gain && fits {
            // Only what is proven is switched on.
            self.settings.form.adapters.retain(|a| a.name != path);
            self.settings.form.adapters.push(AdapterRef { name: path, hash: String::new(), weight: 1.0 });
            self.toasts.notice(format!("{name} is taught and switched on."));
        } else if gain {
            self.toasts.notice(format!("{name} is taught. Another model is in use now, so it stays switched off."));
        } else {
            self.toasts.notice(format!("{name} is on the shelf, switched off: there is no proof of a gain."));
        }
        (self.teach.class, self.teach.rated) = (None, false);
        self.shelf.changed();
    }

    /// A job is over; whether it was a lesson.
    pub(super) fn lesson_over(&mut self, job: JobId, message: Option<&String>) -> bool {
        let Some(now) = self.teach.of(job) else { return false };
        now.over(message.cloned());
        self.shelf.changed();
        true
    }

    /// Draws the page in the place of the wall.
    pub(super) fn teach_page_ui(&mut self, ui: &mut Ui) {
        let title = self.teach.now.as_ref().map_or_else(|| "Teach Kiln".into(), |now| now.lesson.name());
        if widgets::page_head(ui, title, |_| {}) {
            self.screen = Screen::Wall;
        }
        let page = match (&self.teach.now, &self.teach.class) {
            (Some(_), _) => "now",
            (None, _) if self.teach.rated => "rated",
            (None, Some(_)) => "class",
            (None, None) => "empty",
        };
        ScrollArea::vertical().id_salt(("teach", page)).auto_shrink([false, false]).show(ui, |ui| {
            ui.set_max_width((ui.available_width() - 24.0).min(820.0));
            ui.spacing_mut().item_spacing.y = 12.0;
            match page {
                "now" => self.lesson_ui(ui),
                "class" => self.class_ui(ui),
                "rated" => self.rated_ui(ui),
                _ => self.invitation_ui(ui),
            }
            ui.add_space(24.0);
        });
    }

    /// A lesson that is under way, in the bar at the bottom.
    pub(super) fn lesson_status_ui(&mut self, ui: &mut Ui) {
        let Some(now) = self.teach.now.as_ref().filter(|now| now.is_busy()) else { return };
        let text = format!("Teaching {} · {}", now.lesson.name(), now.standing());
        ui.add_space(12.0);
        let (rect, _) = ui.allocate_exact_size(egui::Vec2::splat(14.0), egui::Sense::hover());
        icons::paint(ui.painter(), rect, Icon::Flame, theme::EMBER, true);
        let link = egui::Button::new(RichText::new(text).size(12.5).color(theme::TEXT)).frame(false);
        if ui.add(link).accessible_name("Show the lesson").on_hover_text("Show how the lesson goes").clicked() {
            self.screen = Screen::Teach;
        }
    }
}

/// What is made before and after: words of the pictures, as different as they are, with fixed seeds.
fn looks(words: Vec<&str>, info: &ModelInfo, prompt: &str) -> Vec<Recipe> {
    let most = if info.parameters > LARGE { 1 } else { LOOKS };
    let mut prompts: Vec<&str> = Vec::new();
    let step = (words.len() / most).max(1);
    let spread = words.iter().step_by(step).chain(&words);
    for words in spread.map(|words| words.trim()).chain([prompt.trim(), "a picture"]) {
        if !words.is_empty() && !prompts.contains(&words) && words.chars().count() <= crate::recipe::MAX_PROMPT {
            prompts.push(words);
        }
    }
    if prompts.len() > 1 {
        // The last resort is not wanted beside others.
        prompts.retain(|words| *words != "a picture");
    }
    let seeds = 1..=most as u64;
    seeds
        .zip(prompts.iter().cycle())
        .map(|(seed, words)| Recipe { prompt: (*words).into(), seed, ..info.defaults.clone() })
        .collect()
}

/// A folder's name, and where it lies.
pub(super) fn folder_name(folder: &Path) -> String {
    folder.file_name().map_or_else(|| folder.display().to_string(), |n| n.to_string_lossy().into_owned())
}

/// `4 pictures` and what follows, for a folder.
pub(super) fn pictures(number: usize) -> String {
    widgets::count(number, "picture")
}
