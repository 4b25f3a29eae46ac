//! The folder that is to be taught from: choosing it, what was found in it, captions to be edited.

use super::panel::display_name;
use super::taste::{card, text};
use super::teach::{Pupil, folder_name, pictures};
use super::teach_plan::row;
use super::{App, icons, theme, widgets};
use crate::pipeline::ModelInfo;
use crate::tuning::finetune::choices::FEWEST_FOR_PROOF as FEWEST_CHOICES_FOR_PROOF;
use crate::tuning::finetune::dataset::FEWEST_FOR_PROOF;
use crate::tuning::lesson::Lesson;
use egui::{
    Align, Align2, Button, Layout, Margin, ProgressBar, Rect, RichText, ScrollArea, Sense, Stroke, StrokeKind,
    TextEdit, Ui, Vec2, vec2,
};

/// Side of a picture in the strip, and of one beside its caption.
const TILE: f32 = 72.0;
const ROW: f32 = 52.0;

impl App {
    /// What stands on the page before a folder is chosen.
    pub(super) fn invitation_ui(&mut self, ui: &mut Ui) {
        text(
            ui,
            "Show Kiln a folder of your pictures, and it learns their look. A dozen of one style is enough to begin. The \
             pictures stay as they are; what was learnt becomes a small file, an adapter, that you can mix in, share, or \
             throw away.",
        );
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 190.0), Sense::click());
        response.widget_info(|| {
            egui::WidgetInfo::labeled(egui::accesskit::Role::Button, true, "Choose a folder of pictures")
        });
        let over = response.hovered() || response.has_focus() || ui.input(|i| !i.raw.hovered_files.is_empty());
        let (edge, fill) = if over { (theme::EMBER, theme::RAISED) } else { (theme::LINE, theme::PANEL) };
        ui.painter().rect(rect, theme::ROUND, fill, Stroke::new(1.5, edge), StrokeKind::Inside);
        let icon = Rect::from_center_size(rect.center() - vec2(0.0, 36.0), Vec2::splat(34.0));
        icons::paint(ui.painter(), icon, icons::Icon::Flame, theme::EMBER, true);
        let put = |y: f32, text: &str, font, ink| {
            ui.painter().text(rect.center() + vec2(0.0, y), Align2::CENTER_CENTER, text, font, ink);
        };
        put(12.0, "Choose a folder of pictures", theme::strong(16.0), theme::TEXT);
        let small = egui::FontId::proportional(13.0);
        put(36.0, "or drop it here", small.clone(), theme::MUTED);
        put(60.0, "PNG, JPEG, WebP or TIFF, with words in a .txt beside each if you have them", small, theme::MUTED);
        if response.clicked() {
            let ctx = ui.ctx().clone();
            self.ask_for_class(&ctx);
        }
        let choices = self.taste.choices();
        card(ui, "Or let your ratings teach", |ui| {
            text(
                ui,
                "What you gave stars and hearts, rejected and compared says which of two pictures you like better. From that \
                 the model itself can learn, not only the choice of its settings.",
            );
            ui.horizontal(|ui| {
                let button = Button::new("Teach from your ratings").min_size(vec2(190.0, 32.0));
                if ui.add_enabled(choices > 0, button).clicked() {
                    self.choose_ratings();
                }
                let said = match choices {
                    0 => "No choice yet: rate a few pictures first.".to_string(),
                    _ => format!("{} so far.", widgets::count(choices, "choice")),
                };
                widgets::hint(ui, said);
            });
        });
        if self.teach.waiting.is_empty() {
            return;
        }
        card(ui, "To be gone on with", |ui| {
            for lesson in self.teach.waiting.clone() {
                self.waiting_ui(ui, lesson);
            }
        });
    }

    fn waiting_ui(&mut self, ui: &mut Ui, lesson: Lesson) {
        let name = lesson.name();
        ui.horizontal(|ui| {
            ui.set_height(34.0);
            ui.label(RichText::new(&name).font(theme::strong(13.5)));
            let source = match lesson.rated {
                Some(_) => "your ratings".to_string(),
                None => folder_name(&lesson.folder),
            };
            let from = format!("from {source}, {} steps in all", lesson.settings.steps);
            ui.label(RichText::new(from).size(12.5).color(theme::MUTED));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icons::button(ui, icons::Icon::Trash, &format!("Give up {name}")).clicked() {
                    self.shelf.deleting = Some(lesson.out.clone());
                }
                let button = Button::new("Go on").min_size(vec2(84.0, 30.0));
                if ui.add(button).accessible_name(format!("Go on with {name}")).clicked() {
                    self.start_lesson(lesson);
                }
            });
        });
    }

    /// The chosen folder, and how it is to be taught.
    pub(super) fn class_ui(&mut self, ui: &mut Ui) {
        let Some(info) = self.info() else {
            return text(ui, "The model is not ready yet.");
        };
        card(ui, "Your pictures", |ui| self.found_ui(ui, &info));
        let Some(class) = self.teach.class.as_ref() else { return };
        let (number, over) = (class.pupils.len(), class.over);
        if over && number == 0 {
            return;
        }
        card(ui, "What it becomes", |ui| self.plan_ui(ui, &info, number));
        self.begin_ui(ui);
    }

    /// The person's choices, and how they are to teach.
    pub(super) fn rated_ui(&mut self, ui: &mut Ui) {
        let Some(info) = self.info() else {
            return text(ui, "The model is not ready yet.");
        };
        let choices = self.taste.choices();
        let mut back = false;
        card(ui, "Your choices", |ui| {
            ui.horizontal(|ui| {
                ui.label(RichText::new(format!("{} in this library", widgets::count(choices, "choice"))).size(15.0));
                back = ui.button("Teach from a folder instead").clicked();
            });
            let few = choices < FEWEST_CHOICES_FOR_PROOF;
            let proof = format!("With fewer than {FEWEST_CHOICES_FOR_PROOF} choices nothing can prove that it helped.");
            let rest =
                "Some of them are held out, to prove whether it helped. It takes what you have chosen until you begin.";
            widgets::hint(ui, if few { proof } else { rest.to_string() });
            ui.add_space(4.0);
            let groups = [
                (0, "None", "Only your own choices"),
                (12, "48 pictures", "Kiln draws 48 pictures of your prompts, and your taste chooses among them"),
                (24, "96 pictures", "Kiln draws 96 pictures of your prompts, and your taste chooses among them"),
            ];
            row(ui, "Also imagined", |ui| {
                widgets::segments(ui, &mut self.teach.imagined, &groups, 330.0);
            });
            widgets::hint(
                ui,
                "A few dozen choices say little to a network by themselves. The taste that Kiln learnt from them can judge new \
                 pictures too; what is held out stays only yours.",
            );
        });
        if back {
            self.teach.rated = false;
            return;
        }
        card(ui, "What it becomes", |ui| self.plan_ui(ui, &info, choices));
        self.begin_ui(ui);
    }

    fn begin_ui(&mut self, ui: &mut Ui) {
        let can = self.can_teach();
        ui.horizontal(|ui| {
            ui.allocate_ui(vec2(280.0, 44.0), |ui| {
                let button = widgets::main_button(ui, "Begin to teach", "", can.is_ok());
                let button = if let Err(why) = &can { button.on_disabled_hover_text(why) } else { button };
                if button.clicked() {
                    self.teach_class();
                }
            });
            if let Err(why) = &can {
                ui.add_space(8.0);
                widgets::hint(ui, why.clone());
            }
        });
    }

    fn found_ui(&mut self, ui: &mut Ui, info: &ModelInfo) {
        let mut another = false;
        let Some(class) = self.teach.class.as_mut() else { return };
        ui.horizontal(|ui| {
            let drafted = class.pupils.iter().filter(|p| p.drafted && !p.edited).count();
            let mut said = format!("{} in {}", pictures(class.pupils.len()), folder_name(&class.folder));
            if !class.left_out.is_empty() {
                said += &format!(", {} left out", widgets::count(class.left_out.len(), "file"));
            }
            if drafted > 0 {
                said += &format!(", {} drafted by Kiln", widgets::count(drafted, "caption"));
            }
            ui.label(RichText::new(said).size(13.5)).on_hover_text(class.folder.display().to_string());
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                another = ui.button("Another folder…").clicked();
            });
        });
        if !class.over {
            let (done, of) = class.progress;
            let share = done as f32 / of.max(1) as f32;
            let bar = ProgressBar::new(share).desired_height(6.0).fill(theme::EMBER).corner_radius(3);
            ui.add(bar).accessible_name("Looking at the pictures");
        }
        if let Some(trouble) = &class.trouble {
            ui.add(egui::Label::new(RichText::new(trouble).color(theme::TROUBLE)).wrap());
        }
        if !self.teach.folds[0] {
            strip(ui, &class.pupils);
        }
        let enough = class.pupils.len() >= FEWEST_FOR_PROOF;
        if class.over && !class.pupils.is_empty() && !enough {
            let few =
                format!("With fewer than {FEWEST_FOR_PROOF} pictures nothing can prove whether it helped; add more.");
            widgets::hint(ui, few);
        }
        let folds = &mut self.teach.folds;
        if !class.pupils.is_empty() {
            let strange = class.pupils.iter_mut().map(|p| usize::from(!p.is_known(info))).sum::<usize>();
            let note = match strange {
                0 => String::new(),
                n => format!("{n} with words that {} never learnt", display_name(&info.name)),
            };
            widgets::fold(ui, "Captions", &mut folds[0], &note);
            if folds[0] {
                captions(ui, &mut class.pupils, info);
            }
        }
        if !class.left_out.is_empty() {
            widgets::fold(ui, "Left out", &mut folds[1], &widgets::count(class.left_out.len(), "file"));
            if folds[1] {
                for file in class.left_out.iter().take(50) {
                    let name = file.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                    widgets::hint(ui, format!("{name}: {}.", file.why));
                }
            }
        }
        if another {
            self.leave_class();
        }
    }
}

impl Pupil {
    /// Whether the model knows all its words; looked up once, as there may be thousands.
    fn is_known(&mut self, info: &ModelInfo) -> bool {
        *self.known.get_or_insert_with(|| info.knows(&self.caption))
    }
}

/// As many pictures as have room in two rows.
fn strip(ui: &mut Ui, pupils: &[Pupil]) {
    let shown: Vec<_> = pupils.iter().filter_map(|p| p.texture.as_ref()).collect();
    if shown.is_empty() {
        return;
    }
    let gap = 6.0;
    let columns = (((ui.available_width() + gap) / (TILE + gap)) as usize).max(1);
    let rows = shown.len().div_ceil(columns).min(2);
    let size = vec2(ui.available_width(), rows as f32 * (TILE + gap) - gap);
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    for (i, texture) in shown.iter().take(columns * rows).enumerate() {
        let at = rect.min + vec2((i % columns) as f32, (i / columns) as f32) * (TILE + gap);
        let place = Rect::from_min_size(at, Vec2::splat(TILE));
        ui.painter().rect_filled(place, theme::ROUND_SMALL, theme::SUNKEN);
        super::tile::picture(ui.painter(), super::tile::fit(texture.size_vec2(), place), texture, 1.0);
        let rest = pupils.len() - columns * rows.min(2);
        if i + 1 == columns * rows && pupils.len() > columns * rows {
            ui.painter().rect_filled(place, theme::ROUND_SMALL, egui::Color32::from_black_alpha(170));
            let more = format!("+{}", rest + 1);
            ui.painter().text(place.center(), Align2::CENTER_CENTER, more, theme::strong(16.0), theme::TEXT);
        }
    }
}

/// Every picture with its words.
fn captions(ui: &mut Ui, pupils: &mut [Pupil], info: &ModelInfo) {
    widgets::hint(ui, "What you change is kept as a .txt beside the picture when teaching begins.");
    let height = (pupils.len() as f32 * (ROW + 6.0)).min(5.0 * (ROW + 6.0));
    let scroll = ScrollArea::vertical().id_salt("captions").max_height(height).auto_shrink([false, true]);
    ui.spacing_mut().item_spacing.y = 6.0;
    scroll.show_rows(ui, ROW, pupils.len(), |ui, range| {
        for pupil in &mut pupils[range] {
            ui.horizontal(|ui| {
                ui.set_height(ROW);
                let (rect, _) = ui.allocate_exact_size(Vec2::splat(ROW), Sense::hover());
                ui.painter().rect_filled(rect, theme::ROUND_SMALL, theme::SUNKEN);
                if let Some(texture) = &pupil.texture {
                    super::tile::picture(ui.painter(), super::tile::fit(texture.size_vec2(), rect), texture, 1.0);
                }
                let name = pupil.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
                let note = match () {
                    () if !pupil.is_known(info) => ("unknown words", theme::EMBER_BRIGHT),
                    () if pupil.edited => ("edited", theme::TEXT),
                    () if pupil.drafted => ("drafted", theme::MUTED),
                    () => ("", theme::MUTED),
                };
                let edit = TextEdit::singleline(&mut pupil.caption)
                    .hint_text("What does it show?")
                    .desired_width((ui.available_width() - 124.0).max(80.0))
                    .margin(Margin::symmetric(10, 7));
                if ui.add(edit).accessible_name(format!("Caption of {name}")).on_hover_text(&name).changed() {
                    (pupil.edited, pupil.known) = (true, None);
                }
                ui.label(RichText::new(note.0).size(12.0).color(note.1));
            });
        }
    });
}
