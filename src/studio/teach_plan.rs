//! The settings of a lesson: the few that matter, the others folded, and what it will take, said beforehand.

use super::panel::left_label;
use super::{App, theme, widgets};
use crate::model::memory::gigabytes;
use crate::pipeline::ModelInfo;
use crate::tuning::finetune::settings::{BETA, LARGE, Preference};
use crate::tuning::finetune::{LossKind, Settings, search};
use crate::tuning::optimizer::OptimizerKind;
use crate::worker::lessons::GROUP;
use egui::{ComboBox, DragValue, RichText, Slider, TextEdit, Ui, vec2};

/// What a pixel costs when it is learnt, of what it costs when it is drawn, as measured with Ember: coarser products and
/// larger batches nearly make up for the way back, and drawing counts the decoder in.
const TRAINING: f32 = 1.3;
/// What a choice costs, of what a picture costs, when both of its pictures are learnt and the checkpoint alone is asked about them.
const CHOICE: f32 = 2.7;
/// Checks on held-out pictures, and questions about each.
const CHECKS: f32 = 21.0;
const QUESTIONS: f32 = 8.0;
/// Most questions of one check.
const MOST_QUESTIONS: f32 = 256.0;

/// Time and memory of a step that computes again, of one that remembers: measured with Ember, 32 pictures at once.
const AGAIN: (f32, f64) = (1.3, 0.35);

/// What learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Learns {
    /// An adapter.
    #[default]
    Adapter,
    /// One new word.
    Word,
    /// The whole denoiser.
    Full,
}

/// What the person has set. What is `None` is left to what suits the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What learns.
    pub learns: Learns,
    /// The new word, as prompts spell it, and the one that it begins as.
    pub word: [String; 2],
    /// Look for good settings first.
    pub search: bool,
    /// Steps.
    pub steps: u64,
    /// How much the adapter can hold.
    pub rank: usize,
    /// What is made small.
    pub loss: LossKind,
    /// How to walk.
    pub optimizer: OptimizerKind,
    /// Peak learning rate.
    pub learning_rate: Option<f32>,
    /// Pictures at once.
    pub batch: Option<usize>,
    /// Compute again on the way back instead of remembering.
    pub checkpointing: Option<bool>,
    /// Share of the pictures that is held out.
    pub held_out: f32,
    /// Whether pictures are also shown mirrored.
    pub flip: bool,
    /// Choices teach by Diffusion-DPO instead of reward-weighted regression.
    pub dpo: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            learns: Learns::Adapter,
            word: Default::default(),
            search: false,
            steps: 400,
            rank: 8,
            loss: LossKind::Mse,
            optimizer: OptimizerKind::AdamW,
            learning_rate: None,
            batch: None,
            checkpointing: None,
            held_out: 0.2,
            flip: true,
            dpo: false,
        }
    }
}

impl Plan {
    /// As the training takes it.
    pub fn settings(&self, info: &ModelInfo) -> Settings {
        let suited = Settings::suited_to(info.parameters, self.optimizer, self.rank);
        let [name, initial] = self.word.each_ref().map(|word| word.trim());
        let suited = match self.learns {
            Learns::Adapter => suited,
            Learns::Word => suited.for_word(name, initial, info.word_spread),
            Learns::Full => suited.for_full(),
        };
        Settings {
            steps: self.steps,
            loss: self.loss,
            learning_rate: self.learning_rate.unwrap_or(suited.learning_rate),
            batch: self.batch.unwrap_or(suited.batch),
            checkpointing: self.checkpointing.unwrap_or(suited.checkpointing),
            held_out: self.held_out,
            flip: self.flip,
            ..suited
        }
    }

    /// The same where choices teach. With a simulated artist, reward-weighted regression brought more of what was preferred (64.6 %
    /// of comparisons won against 58.9 %) at no loss of diversity, so it is what is done unless the person says otherwise.
    pub fn settings_of_choices(&self, info: &ModelInfo) -> Settings {
        let preference = if self.dpo { Preference::Dpo { beta: BETA } } else { Preference::Reward };
        let adapter = Self { learns: Learns::Adapter, ..self.clone() };
        let taught = adapter.settings(info).taught_by(preference);
        Settings { learning_rate: self.learning_rate.unwrap_or(taught.learning_rate), loss: LossKind::Mse, ..taught }
    }

    /// Whether settings are looked for first: of an adapter from pictures.
    pub fn searches(&self) -> bool {
        self.search && self.learns == Learns::Adapter
    }

    /// Seconds that the lesson will take, from the seconds that a pixel costs: in training, where that is known, else when the
    /// denoiser draws.
    fn seconds(
        &self,
        info: &ModelInfo,
        pictures: usize,
        (drawing, training): (Option<f32>, Option<f32>),
    ) -> Option<f32> {
        let settings = self.settings(info);
        let pixels = (info.native_size as f32).powi(2);
        let step = training.or(drawing.map(|d| d * TRAINING))? * pixels * (settings.batch * settings.accumulate) as f32;
        // The half that proves is asked only twice.
        let held_out = (pictures as f32 * settings.held_out / 2.0).round();
        let questions = (held_out * QUESTIONS).min(MOST_QUESTIONS) * CHECKS;
        let question = drawing.or(training.map(|t| t / TRAINING))? * pixels;
        let looked_for = if self.searches() { search::steps() } else { 0 };
        let again = if settings.checkpointing { AGAIN.0 } else { 1.0 };
        Some(step * again * (self.steps + looked_for) as f32 + question * questions)
    }

    /// Bytes that the lesson will take beside the model: a rough estimate from what was measured with Ember.
    fn bytes(&self, info: &ModelInfo) -> f64 {
        let settings = self.settings(info);
        let pixels = f64::from(info.native_size).powi(2) * settings.batch as f64;
        // What the layers remember for the way back grows a little slower than the weights.
        let again = if settings.checkpointing { AGAIN.1 } else { 1.0 };
        // An adapter is put into copies of the weights; what learns as a whole has moments, an average and gradients, too.
        let copies = match self.learns {
            Learns::Full => 20.0,
            Learns::Adapter if !settings.checkpointing => 4.0,
            _ => 0.0,
        };
        pixels * 1.1e3 * (info.parameters as f64 / 2e7).powf(0.7) * again + copies * info.parameters as f64
    }
}

impl App {
    /// What a pixel costs here: when the loaded model draws, and when it learns.
    fn pixel_costs(&self, info: &ModelInfo) -> (Option<f32>, Option<f32>) {
        let of_model = self.gallery.entries.values().filter(|e| e.recipe.model.hash == info.hash && e.seconds > 0.0);
        let newest = of_model.filter(|e| e.recipe.first_pass.is_none()).max_by_key(|e| e.created);
        let drawing = newest.map(|e| {
            let guided = if (e.recipe.cfg_scale - 1.0).abs() > 1e-6 { 2.0 } else { 1.0 };
            let steps = e.recipe.steps_taken(e.recipe.steps as usize).max(1) as f32;
            e.seconds / (steps * guided * (e.width * e.height).max(1) as f32)
        });
        let training =
            self.settings.teaching_pace.as_ref().filter(|(base, _)| *base == info.hash).map(|(_, pace)| *pace);
        (drawing, training)
    }

    /// The name, the length, the strength, and the fold with the rest.
    pub(super) fn plan_ui(&mut self, ui: &mut Ui, info: &ModelInfo, pictures: usize) {
        let costs = self.pixel_costs(info);
        let plan = &mut self.teach.plan;
        row(ui, "Name", |ui| {
            let edit = TextEdit::singleline(&mut self.teach.name).desired_width(300.0).margin(vec2(10.0, 6.0));
            ui.add(edit).accessible_name("Name of the adapter");
        });
        if !self.teach.rated {
            learns_ui(ui, plan, info);
        }
        row(ui, "Length", |ui| {
            let mut steps = plan.steps;
            let choices = [
                (150, "Short", "150 steps: a first impression"),
                (400, "Medium", "400 steps: enough for most styles"),
                (1000, "Long", "1000 steps: for many pictures; ends early when nothing becomes better"),
            ];
            if widgets::segments(ui, &mut steps, &choices, 240.0) {
                plan.steps = steps;
            }
            let drag = DragValue::new(&mut plan.steps).range(1..=100_000).speed(2.0).suffix(" steps");
            ui.add_sized(vec2(96.0, 28.0), drag).accessible_name("Steps");
        });
        let rated = self.teach.rated;
        if rated || plan.learns == Learns::Adapter {
            row(ui, "Strength", |ui| {
                let choices = [
                    (4, "Light", "Rank 4: learns colours and mood"),
                    (8, "Normal", "Rank 8: learns a style"),
                    (16, "Strong", "Rank 16: learns more, and more easily too much"),
                ];
                widgets::segments(ui, &mut plan.rank, &choices, 240.0);
            });
        }
        if !rated && plan.learns == Learns::Adapter {
            row(ui, "Settings", |ui| {
                let text = "find good ones first";
                let help = format!(
                    "Tries nine learning rates, ranks and weight decays in short runs, and goes on with the best; {} steps more",
                    search::steps()
                );
                ui.checkbox(&mut plan.search, text).on_hover_text(help);
            });
        }
        let settings = if rated { plan.settings_of_choices(info) } else { plan.settings(info) };
        let longer = if rated && plan.dpo { CHOICE } else { 1.0 };
        let imagined = if rated { self.teach.imagined * GROUP } else { 0 };
        let bytes = (plan.bytes(info) * f64::from(longer)) as u64;
        let memory = gigabytes(bytes);
        let rest = "You can go on making pictures meanwhile; they come first.";
        let text = match plan.seconds(info, pictures, costs) {
            Some(seconds) => {
                let drawn = imagined as f32 * costs.0.unwrap_or(0.0) * (info.native_size as f32).powi(2);
                let seconds = seconds * longer + drawn * 2.0 * info.defaults.steps as f32;
                let time = widgets::duration(seconds.max(10.0));
                format!("Takes about {time} on this machine and about {memory} of memory. {rest}")
            }
            None => format!("Takes about {memory} of memory; how long is known after the first steps. {rest}"),
        };
        widgets::hint(ui, text);
        if let Some(free) = self.teach.class.as_ref().and_then(|class| class.free).filter(|free| *free < bytes) {
            let way = match settings.checkpointing {
                true => "set a smaller batch",
                false => "compute again instead of remembering, under More settings",
            };
            let few = format!("Only {} are free: close other programs, or {way}.", gigabytes(free));
            ui.label(RichText::new(few).size(12.5).color(theme::EMBER_BRIGHT));
        }
        let usual = Plan {
            steps: plan.steps,
            rank: plan.rank,
            learns: plan.learns,
            word: plan.word.clone(),
            search: plan.search,
            ..Plan::default()
        };
        let note = if *plan == usual { "" } else { "changed" };
        widgets::fold(ui, "More settings", &mut self.teach.folds[2], note);
        if self.teach.folds[2] {
            advanced(ui, plan, &settings, rated);
        }
    }
}

/// What is to learn, and for a word how it is called.
fn learns_ui(ui: &mut Ui, plan: &mut Plan, info: &ModelInfo) {
    row(ui, "What learns", |ui| {
        let mut choices = vec![
            (Learns::Adapter, "An adapter", "A style or a subject: a small file that can be mixed in, by strength"),
            (Learns::Word, "A new word", "One thing, as a word for your prompts; everything else stays as it is"),
        ];
        // A file in the original layout is not written anew.
        let folder = info.path.extension().is_none_or(|ending| ending != "safetensors");
        if info.parameters <= LARGE && folder {
            choices.push((Learns::Full, "All of it", "Every weight of the model: becomes a model of its own"));
        } else if plan.learns == Learns::Full {
            plan.learns = Learns::Adapter;
        }
        widgets::segments(ui, &mut plan.learns, &choices, 110.0 * choices.len() as f32);
    });
    if plan.learns != Learns::Word {
        return;
    }
    let fields = [
        ("The word", "The new word", "<my-fox>", "Write it so that it is like no other word, in brackets for instance"),
        ("Begins as", "Begins as", "fox", "A word that the model knows, near to what your pictures show"),
    ];
    for (value, (label, name, example, help)) in plan.word.iter_mut().zip(fields) {
        row(ui, label, |ui| {
            let edit = TextEdit::singleline(value).hint_text(example).desired_width(200.0).margin(vec2(10.0, 6.0));
            ui.add(edit).accessible_name(name).on_hover_text(help);
        });
    }
}

fn advanced(ui: &mut Ui, plan: &mut Plan, settings: &Settings, rated: bool) {
    if rated || plan.learns == Learns::Adapter {
        row(ui, "Rank", |ui| {
            let drag = DragValue::new(&mut plan.rank).range(1..=128).speed(0.1);
            let help = "Columns of the adapter's matrices";
            ui.add_sized(vec2(84.0, 28.0), drag).accessible_name("Rank").on_hover_text(help);
        });
    }
    row(ui, "Learning rate", |ui| {
        let mut rate = settings.learning_rate;
        let speed = f64::from(rate) / 50.0;
        let drag = DragValue::new(&mut rate).range(1e-6..=1.0).speed(speed).max_decimals(6);
        let help = "How far each step goes; left to what suits the model until you change it";
        if ui.add_sized(vec2(84.0, 28.0), drag).accessible_name("Learning rate").on_hover_text(help).changed() {
            plan.learning_rate = Some(rate);
        }
        if plan.learning_rate.is_some() && ui.button("Reset").clicked() {
            plan.learning_rate = None;
        }
    });
    if rated {
        row(ui, "Method", |ui| {
            let methods = [(false, "Reward-weighted"), (true, "Diffusion-DPO")];
            choice(ui, "Method", &mut plan.dpo, &methods);
        });
    } else {
        row(ui, "Loss", |ui| {
            let losses = [
                (LossKind::Mse, "Squared error"),
                (LossKind::Perceptual, "Perceptual"),
                (LossKind::Adversarial, "Adversarial"),
            ];
            choice(ui, "Loss", &mut plan.loss, &losses);
        });
    }
    row(ui, "Optimiser", |ui| {
        let optimizers = [(OptimizerKind::AdamW, "AdamW"), (OptimizerKind::Adam, "Adam"), (OptimizerKind::Sgd, "SGD")];
        choice(ui, "Optimiser", &mut plan.optimizer, &optimizers);
    });
    row(ui, "Batch", |ui| {
        let mut batch = settings.batch;
        let drag = DragValue::new(&mut batch).range(1..=64).speed(0.1);
        let help = "Pictures at once: more are steadier, and take more memory and time";
        if ui.add_sized(vec2(84.0, 28.0), drag).accessible_name("Batch").on_hover_text(help).changed() {
            plan.batch = Some(batch);
        }
    });
    row(ui, "Memory", |ui| {
        let mut saved = settings.checkpointing;
        let help = "Gradient checkpointing: less than half the memory, for a third more time";
        if ui.checkbox(&mut saved, "compute again instead of remembering").on_hover_text(help).changed() {
            plan.checkpointing = Some(saved);
        }
    });
    row(ui, "Held out", |ui| {
        let mut percent = plan.held_out * 100.0;
        ui.spacing_mut().slider_width = 160.0;
        let slider = Slider::new(&mut percent, 0.0..=50.0).fixed_decimals(0).suffix(" %");
        let help = "Share of the pictures that is never learnt from: they prove whether it helped";
        if ui.add(slider).accessible_name("Held out").on_hover_text(help).changed() {
            plan.held_out = percent / 100.0;
        }
    });
    row(ui, "Mirror", |ui| {
        let help = "Also learns mirrored copies; switch it off for lettering and faces";
        ui.checkbox(&mut plan.flip, "also show pictures mirrored").on_hover_text(help);
    });
}

fn choice<T: PartialEq + Copy>(ui: &mut Ui, name: &str, value: &mut T, choices: &[(T, &str)]) {
    let chosen = choices.iter().find(|(v, _)| v == value).map_or("", |(_, text)| text);
    let menu = ComboBox::from_id_salt(name).width(160.0).selected_text(RichText::new(chosen).size(13.5));
    let menu = menu.show_ui(ui, |ui| {
        for (v, text) in choices {
            ui.selectable_value(value, *v, *text);
        }
    });
    menu.response.accessible_name(name);
}

/// A line of settings: what it is, and its controls.
pub(super) fn row(ui: &mut Ui, text: &str, add: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        ui.set_min_height(34.0);
        ui.add_sized(vec2(104.0, 34.0), left_label(text));
        ui.visuals_mut().override_text_color = Some(theme::TEXT);
        add(ui);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(parameters: u64) -> ModelInfo {
        ModelInfo { parameters, ..ModelInfo::plain() }
    }

    #[test]
    fn what_a_lesson_takes_grows_with_what_is_asked() {
        let (small, large) = (info(20_000_000), info(1_000_000_000));
        let plan = Plan::default();
        assert_eq!(plan.seconds(&small, 20, (None, None)), None, "nothing is known yet");
        let time = |plan: &Plan| plan.seconds(&small, 20, (Some(3e-7), None)).unwrap();
        let longer = Plan { steps: 1000, ..plan.clone() };
        assert!(time(&longer) > 2.0 * time(&plan) && time(&plan) > 60.0 && time(&plan) < 900.0, "{}", time(&plan));
        let measured = plan.seconds(&small, 0, (None, Some(1e-6))).unwrap();
        assert!((measured - 400.0 * 8.0 * 65536.0 * 1e-6).abs() < 1.0, "{measured}");
        let remembering = Plan { checkpointing: Some(false), ..plan.clone() };
        assert!(remembering.bytes(&large) > 4.0 * plan.bytes(&small), "{}", remembering.bytes(&large));
        assert!(
            plan.bytes(&large) < 0.2 * remembering.bytes(&large),
            "what is large computes again unless it is told not to"
        );
        assert!((0.4e9..1.6e9).contains(&plan.bytes(&small)), "{}", plan.bytes(&small));
        let by_choices = plan.settings_of_choices(&small);
        assert_eq!(by_choices.preference, Some(Preference::Reward));
        assert!(by_choices.learning_rate < plan.settings(&small).learning_rate, "a few pairs are soon known by heart");
        let own = Plan { learning_rate: Some(3e-4), dpo: true, ..plan.clone() }.settings_of_choices(&small);
        assert_eq!((own.learning_rate, own.preference), (3e-4, Some(Preference::Dpo { beta: BETA })));
        let strong = Plan { rank: 32, ..plan.clone() }.settings(&small);
        assert_eq!((strong.rank, strong.learning_rate), (32, 2.5e-3), "more columns move the weight further");
        let settings = Plan { optimizer: OptimizerKind::Sgd, learning_rate: None, ..plan }.settings(&small);
        assert_eq!(settings.learning_rate, 0.5, "what suits the optimiser");
        settings.check().unwrap();

        let word = Plan { learns: Learns::Word, word: [" <my-fox> ".into(), "fox ".into()], ..Plan::default() };
        let settings = word.settings(&small);
        assert_eq!(settings.word(), Some("<my-fox>"));
        assert!(settings.learning_rate == 0.04 && word.settings_of_choices(&small).word().is_none());
        settings.check().unwrap();
        let full = Plan { learns: Learns::Full, search: true, ..Plan::default() };
        assert!(full.settings(&small).learning_rate == 1e-4 && !full.searches());
        let saving = Plan { checkpointing: Some(true), ..Plan::default() };
        assert!(saving.bytes(&small) < 0.5 * Plan::default().bytes(&small) && time(&saving) > time(&Plan::default()));
        let looking = Plan { search: true, ..Plan::default() };
        assert!(looking.searches() && time(&looking) > 2.0 * time(&Plan::default()));
    }
}
