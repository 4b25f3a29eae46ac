//! The fold with everything else that decides a picture: steps, guidance, sampler, size, sub-seed.

use super::form::{Enlarge, Form, random_seed};
use super::icons::{self, Icon};
use super::panel::left_label;
use super::{App, widgets};
use crate::pipeline::ModelInfo;
use crate::recipe::{CFG_RANGE, ENLARGE_STRENGTH, FirstPass, Recipe, SIDE_RANGE, STEP_RANGE, Upscaler, Variation};
use crate::sampler::SamplerKind;
use crate::sampler::spacing::Spacing;
use egui::{ComboBox, DragValue, Slider, Ui, vec2};

impl App {
    /// Draws the fold, and what is in it when it is open.
    pub(super) fn advanced_ui(&mut self, ui: &mut Ui) {
        let Some(info) = self.info() else { return };
        let form = &mut self.settings.form;
        let (width, height) = (form.width.unwrap_or(info.defaults.width), form.height.unwrap_or(info.defaults.height));
        let steps = form.steps.unwrap_or(info.defaults.steps);
        let note = format!("{width} × {height}, {}", widgets::count(steps as usize, "step"));
        ui.add_space(4.0);
        widgets::fold(ui, "Advanced", &mut self.settings.folds[1], &note);
        if !self.settings.folds[1] {
            return;
        }
        sampling(ui, form, &info);
        size(ui, form, &info);
        enlarge(ui, form, &info);
        let help = "Lets opposite edges meet, so that the picture can be laid side by side with itself.";
        row(ui, "Seamless", |ui| _ = ui.checkbox(&mut form.seamless, "tile").on_hover_text(help));
        variation(ui, form);
        if form.differs() && ui.button("Back to the model's own values").clicked() {
            form.reset();
        }
    }
}

/// The samplers that a model can use, as a menu offers them. A flow has noise levels of its own, whatever the spacing.
pub fn samplers(info: &ModelInfo) -> Vec<SamplerKind> {
    let offered = |k: &SamplerKind| info.takes(*k) && (!info.flow || k.spacing == Spacing::Checkpoint);
    SamplerKind::ALL.into_iter().filter(offered).collect()
}

fn row(ui: &mut Ui, text: &str, add: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        let label = ui.add_sized(vec2(88.0, 24.0), left_label(text));
        ui.label_inputs_by(label.id, add);
    });
}

fn slider<N: egui::emath::Numeric>(
    ui: &mut Ui,
    text: &str,
    help: &str,
    slider: impl FnOnce(&mut N) -> Slider<'_>,
    mut value: N,
) -> Option<N> {
    let mut changed = false;
    row(ui, text, |ui| {
        ui.spacing_mut().slider_width = (ui.available_width() - 62.0).max(60.0);
        changed = ui.add(slider(&mut value)).accessible_name(text).on_hover_text(help).changed();
    });
    changed.then_some(value)
}

fn sampling(ui: &mut Ui, form: &mut Form, info: &ModelInfo) {
    let defaults = &info.defaults;
    let steps = form.steps.unwrap_or(defaults.steps);
    let help = "How often the picture is worked over; more takes longer.";
    let range = *STEP_RANGE.start()..=60;
    let never = egui::SliderClamping::Never;
    if let Some(steps) = slider(ui, "Steps", help, |v| Slider::new(v, range).clamping(never), steps) {
        form.steps = Some(steps.clamp(*STEP_RANGE.start(), *STEP_RANGE.end()));
    }
    let cfg = form.cfg_scale.unwrap_or(defaults.cfg_scale);
    let help = "How closely the picture follows the words; 1 switches the guidance off.";
    if let Some(cfg) =
        slider(ui, "Guidance", help, |v| Slider::new(v, 0.0..=15.0).clamping(never).fixed_decimals(1), cfg)
    {
        form.cfg_scale = Some(cfg.clamp(*CFG_RANGE.start(), *CFG_RANGE.end()));
    }
    let rescale = form.cfg_rescale.unwrap_or(defaults.cfg_rescale);
    let help = "Brings strong guidance back to the contrast of an unguided picture; 0 is off, 0.7 is usual.";
    if let Some(value) = slider(ui, "CFG rescale", help, |v| Slider::new(v, 0.0..=1.0).fixed_decimals(2), rescale) {
        form.cfg_rescale = Some(value);
    }
    let early = form.skip_early_cfg.unwrap_or(defaults.skip_early_cfg);
    let help = "Share of the steps at the beginning that guidance leaves alone; 0 is none. Patterns gain variety and depth by it. Ember is \
                guided there towards the things that the prompt names; with other models things lose shape.";
    if let Some(value) = slider(ui, "Skip early CFG", help, |v| Slider::new(v, 0.0..=1.0).fixed_decimals(2), early) {
        form.skip_early_cfg = Some(value);
    }
    if info.text_layers > 1 {
        let skip = form.clip_skip.unwrap_or(defaults.clip_skip);
        let help = "Which layer of the text encoder is heard, from its end: 1 is the last one, 2 the one before.";
        let most = info.text_layers.min(*crate::recipe::CLIP_SKIP_RANGE.end());
        if let Some(skip) = slider(ui, "Clip skip", help, |v| Slider::new(v, 1..=most), skip) {
            form.clip_skip = Some(skip);
        }
    }
    let chosen = form.sampler_for(info);
    row(ui, "Sampler", |ui| {
        let label = super::viewer::sampler_label(&chosen);
        let menu = ComboBox::from_id_salt("sampler").width(ui.available_width()).selected_text(label);
        let menu = menu.show_ui(ui, |ui| {
            for kind in samplers(info) {
                if ui.selectable_label(kind.name() == chosen, kind.label()).clicked() {
                    form.sampler = Some(kind.name().into());
                }
            }
        });
        menu.response.accessible_name("Sampler");
    });
}

fn size(ui: &mut Ui, form: &mut Form, info: &ModelInfo) {
    let (width, height) = (form.width.unwrap_or(info.defaults.width), form.height.unwrap_or(info.defaults.height));
    let multiple = info.size_multiple.max(1);
    let range = SIDE_RANGE.start().div_ceil(multiple) * multiple..=SIDE_RANGE.end() / multiple * multiple;
    let (mut w, mut h) = (width, height);
    row(ui, "Size", |ui| {
        let side = |value: &mut u32, ui: &mut Ui, name: &str| {
            let drag = DragValue::new(value).range(range.clone()).speed(f64::from(multiple) / 12.0).suffix(" px");
            ui.add_sized(vec2(84.0, 28.0), drag).accessible_name(name);
        };
        side(&mut w, ui, "Width");
        ui.label("×");
        side(&mut h, ui, "Height");
    });
    let round = |v: u32| ((v + multiple / 2) / multiple * multiple).clamp(*range.start(), *range.end());
    if w != width {
        form.width = Some(round(w));
    }
    if h != height {
        form.height = Some(round(h));
    }
}

/// The factors that are offered.
const FACTORS: [f32; 5] = [1.0, 1.5, 2.0, 3.0, 4.0];

/// A second pass at a larger size, and how large the picture gets.
fn enlarge(ui: &mut Ui, form: &mut Form, info: &ModelInfo) {
    if form.source.is_some() {
        return;
    }
    let now = form.enlarge.map_or(1.0, |e| e.factors[0]);
    let strength = form.enlarge.map_or(ENLARGE_STRENGTH, |e| e.strength);
    let upscaler = form.enlarge.map_or_else(Upscaler::default, |e| e.upscaler);
    let name = |factor: f32| if factor == 1.0 { "off".to_string() } else { format!("× {factor}") };
    row(ui, "Enlarge", |ui| {
        let menu = ComboBox::from_id_salt("enlarge").width(84.0).selected_text(name(now));
        let menu = menu.show_ui(ui, |ui| {
            for factor in FACTORS {
                if ui.selectable_label(factor == now, name(factor)).clicked() {
                    form.enlarge = (factor > 1.0).then_some(Enlarge { factors: [factor; 2], strength, upscaler });
                }
            }
        });
        let help = "Draws at the size above first, then enlarges the picture and works it over: larger pictures that keep \
                    their composition.";
        menu.response.on_hover_text(help).accessible_name("Enlarge");
        if form.enlarge.is_some() {
            let recipe = form.recipe(info);
            widgets::hint(ui, format!("to {} × {}", recipe.width, recipe.height));
        }
    });
    let Some(enlarge) = &mut form.enlarge else { return };
    let help = "How far the second pass goes from the first: 0 only enlarges, 1 draws anew.";
    if let Some(value) = slider(ui, "Rework", help, |v| Slider::new(v, 0.0..=1.0).fixed_decimals(2), strength) {
        enlarge.strength = value;
    }
    row(ui, "Upscaler", |ui| {
        let menu = ComboBox::from_id_salt("upscaler").width(ui.available_width()).selected_text(upscaler.label());
        let menu = menu.show_ui(ui, |ui| {
            for kind in Upscaler::ALL {
                if ui.selectable_label(kind == upscaler, kind.label()).clicked() {
                    enlarge.upscaler = kind;
                }
            }
        });
        let help = "What is enlarged: the first picture's pixels, or its latent, which is quicker and softer and wants a rework \
                    of half or more.";
        menu.response.on_hover_text(help).accessible_name("Upscaler");
    });
}

/// A second seed, and how far the first noise is turned towards it.
fn variation(ui: &mut Ui, form: &mut Form) {
    let Variation { mut subseed, strength } = form.variation.unwrap_or(Variation { subseed: 0, strength: 0.0 });
    let help = "Turns the noise of the seed towards that of a second seed: a little gives variations of one picture.";
    if let Some(strength) = slider(ui, "Vary by", help, |v| Slider::new(v, 0.0..=1.0).fixed_decimals(2), strength) {
        let subseed = form.variation.map_or_else(random_seed, |v| v.subseed);
        form.variation = Some(Variation { subseed, strength });
    }
    let Some(variation) = &mut form.variation else { return };
    let mut off = false;
    row(ui, "Sub-seed", |ui| {
        let drag = DragValue::new(&mut subseed).speed(0.3).range(0..=u64::from(u32::MAX));
        let size = vec2((ui.available_width() - 72.0).max(80.0), 28.0);
        if ui.add_sized(size, drag).accessible_name("Sub-seed").changed() {
            variation.subseed = subseed;
        }
        if icons::button(ui, Icon::Dice, "New sub-seed").clicked() {
            variation.subseed = random_seed();
        }
        off = icons::button(ui, Icon::Close, "No sub-seed").clicked();
    });
    if off {
        form.variation = None;
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn margins_in_words(margins: &crate::recipe::Outpaint) -> String {
    let crate::recipe::Outpaint { left, top, right, bottom } = margins;
    format!("{left} left, {top} above, {right} right, {bottom} below")
}

/// What of a Recipe is rarely set, where it is.
pub fn rare_facts(recipe: &Recipe) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if recipe.clip_skip != 1 {
        facts.push(("Clip skip", recipe.clip_skip.to_string()));
    }
    if recipe.cfg_rescale != 0.0 {
        facts.push(("CFG rescale", format!("{:.2}", recipe.cfg_rescale)));
    }
    if recipe.skip_early_cfg != 0.0 {
        facts.push(("Skip early CFG", format!("{:.2}", recipe.skip_early_cfg)));
    }
    if let Some(variation) = recipe.variation {
        facts.push(("Sub-seed", format!("{}, by {:.2}", variation.subseed, variation.strength)));
    }
    if let Some(first) = &recipe.first_pass {
        let FirstPass { width, height, denoising_strength, upscaler } = first;
        let how = if upscaler.is_default() { String::new() } else { format!(", {}", upscaler.label()) };
        facts.push(("Enlarged from", format!("{width} × {height}, by {denoising_strength:.2}{how}")));
    }
    if recipe.seamless {
        facts.push(("Edges", "seamless".into()));
    }
    if let Some(source) = &recipe.source {
        facts.push(("From", format!("{}, strength {:.2}", file_name(&source.path), source.denoising_strength)));
    }
    if let Some(mask) = &recipe.mask {
        facts.push(("Mask", file_name(&mask.path).into()));
    }
    if let Some(margins) = &recipe.outpaint {
        facts.push(("Margins", margins_in_words(margins)));
    }
    if !recipe.adapters.is_empty() {
        let each = recipe.adapters.iter().map(|a| format!("{} {:.2}", file_name(&a.name), a.weight));
        facts.push(("Adapters", each.collect::<Vec<_>>().join(", ")));
    }
    facts
}
