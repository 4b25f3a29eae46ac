//! What the window remembers: `settings.json` in the library's folder.

use super::form::Form;
use super::models::REMEMBERED;
use crate::library::{Sort, write_whole};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Name of the file inside the library's folder.
pub const FILE: &str = "settings.json";
/// Prompts that are remembered.
const HISTORY: usize = 24;
/// Seconds between the last change and the writing.
const PATIENCE: f64 = 0.8;

/// Which pictures the wall shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tab {
    /// Those made since the window was opened.
    #[default]
    Session,
    /// All.
    All,
    /// Those with a heart.
    Favourites,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
    /// Most stars first.
    Best,
}

impl Order {
    /// All, with what they are called.
    pub const ALL: [(Self, &str); 3] = [(Self::Newest, "Newest"), (Self::Oldest, "Oldest"), (Self::Best, "Best rated")];

    /// As the library says it.
    pub fn sort(self) -> Sort {
        match self {
            Self::Newest => Sort::Newest,
            Self::Oldest => Sort::Oldest,
            Self::Best => Sort::Best,
        }
    }
}

/// What the window remembers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The controls at the left.
    pub form: Form,
    /// Side of a tile, points.
    pub tile: f32,
    /// Which pictures.
    pub tab: Tab,
    /// In which order.
    pub order: Order,
    /// Whether rejected pictures are left out.
    pub hide_rejected: bool,
    /// Whether a quick look follows the sliders.
    pub live_preview: bool,
    /// Whether the quick look is as wide as the panel.
    pub large_preview: bool,
    /// Whether the folds are open: negative prompt, advanced.
    pub folds: [bool; 2],
    /// Whether the fold of adapters is open.
    pub adapters_open: bool,
    /// Seconds that a pixel took in the last lesson, and the hash of the model that it taught.
    pub teaching_pace: Option<(String, f32)>,
    /// Whether the fold of the picture to start from is open.
    pub start_open: bool,
    /// Models that were used, the last one first.
    pub models: Vec<String>,
    /// Whether taste bends the next pictures.
    pub taste: bool,
    /// How far taste looks around, 0 to 1.
    pub explore: f32,
    /// Format of the last export.
    pub export: String,
    /// Prompts, the last one first.
    pub history: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            form: Form::default(),
            tile: 208.0,
            tab: Tab::Session,
            order: Order::Newest,
            hide_rejected: false,
            live_preview: true,
            large_preview: false,
            folds: [false; 2],
            adapters_open: false,
            teaching_pace: None,
            start_open: false,
            models: Vec::new(),
            taste: false,
            explore: crate::taste::wall::EXPLORE,
            export: "png".into(),
            history: Vec::new(),
        }
    }
}

impl Settings {
    /// Puts a prompt at the head of the history.
    pub fn remember(&mut self, prompt: &str) {
        let prompt = prompt.trim();
        if prompt.is_empty() {
            return;
        }
        self.history.retain(|old| old != prompt);
        self.history.insert(0, prompt.to_string());
        self.history.truncate(HISTORY);
    }

    /// Puts a model at the head of those that were used.
    pub fn remember_model(&mut self, name: &str) {
        self.models.retain(|old| old != name);
        self.models.insert(0, name.to_string());
        self.models.truncate(REMEMBERED);
    }
}

/// The file, and what it holds.
pub struct SettingsFile {
    path: PathBuf,
    written: Settings,
    /// What was seen last, and since when it differs from the file.
    changed: Option<(Settings, f64)>,
    /// One complaint is enough.
    complained: bool,
}

impl SettingsFile {
    /// Reads the settings of a library's folder; a damaged file is set aside, which the sentence says.
    pub fn open(folder: &Path) -> (Self, Settings, Option<String>) {
        let path = folder.join(FILE);
        let (mut settings, notice) = match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => (Settings::default(), None),
            Err(e) => {
                let path = path.display();
                (
                    Settings::default(),
                    Some(format!("The settings in {path} could not be read ({e}); Kiln starts fresh.")),
                )
            }
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(settings) => (settings, None),
                Err(_) => (Settings::default(), Some(set_aside(&path))),
            },
        };
        settings.form.clean();
        settings.tile = if settings.tile.is_finite() { settings.tile } else { Settings::default().tile };
        settings.explore =
            if settings.explore.is_finite() { settings.explore.clamp(0.0, 1.0) } else { Settings::default().explore };
        settings.history.truncate(HISTORY);
        settings.models.truncate(REMEMBERED);
        let file = Self { path, written: settings.clone(), changed: None, complained: false };
        (file, settings, notice)
    }

    /// Writes the settings once they have rested; returns the seconds after which to look again, or a complaint.
    pub fn tend(&mut self, settings: &Settings, now: f64) -> Result<Option<f64>, String> {
        if *settings == self.written {
            self.changed = None;
            return Ok(None);
        }
        let since = match &self.changed {
            Some((seen, since)) if seen == settings => *since,
            _ => {
                self.changed = Some((settings.clone(), now));
                now
            }
        };
        if now - since < PATIENCE {
            return Ok(Some(PATIENCE - (now - since)));
        }
        self.write(settings).map(|()| None)
    }

    /// Writes the settings now, if they differ from the file.
    pub fn write(&mut self, settings: &Settings) -> Result<(), String> {
        if *settings == self.written {
            return Ok(());
        }
        // Also after a failure: the next change tries again.
        self.written = settings.clone();
        self.changed = None;
        let written = serde_json::to_vec_pretty(settings).map_err(|e| e.to_string());
        let written = written.and_then(|bytes| write_whole(&self.path, &bytes).map_err(|e| e.message));
        match written {
            Err(message) if !std::mem::replace(&mut self.complained, true) => {
                Err(format!("Your settings cannot be kept: {message}"))
            }
            _ => Ok(()),
        }
    }
}

fn set_aside(path: &Path) -> String {
    let mut aside = path.with_file_name("settings-damaged.json");
    let mut number = 2;
    while aside.exists() {
        aside = path.with_file_name(format!("settings-damaged-{number}.json"));
        number += 1;
    }
    match std::fs::rename(path, &aside) {
        Ok(()) => {
            format!(
                "The settings were damaged: they are set aside as {}, and Kiln starts with fresh ones.",
                aside.display()
            )
        }
        Err(e) => format!("The settings in {} are damaged and cannot be set aside ({e}).", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_and_damage_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let (mut file, mut settings, notice) = SettingsFile::open(folder.path());
        assert!(notice.is_none());
        settings.tile = 300.0;
        settings.form.prompt = "a fox".into();
        assert!(file.tend(&settings, 10.0).unwrap().is_some(), "not while it changes");
        assert!(!folder.path().join(FILE).exists());
        assert!(file.tend(&settings, 11.0).unwrap().is_none());
        let (_, again, _) = SettingsFile::open(folder.path());
        assert_eq!(again, settings);

        std::fs::write(folder.path().join(FILE), b"{\"tile\": tru").unwrap();
        let (_, fresh, notice) = SettingsFile::open(folder.path());
        assert_eq!(fresh.form.prompt, "");
        assert!(notice.unwrap().contains("settings-damaged.json"));
        assert!(folder.path().join("settings-damaged.json").exists());
    }

    #[test]
    fn strange_values_are_made_bearable() {
        let folder = tempfile::tempdir().unwrap();
        let text = "{\"tile\": 1e999, \"form\": {\"count\": 0, \"steps\": 100000, \"unheard_of\": 1}}";
        std::fs::write(folder.path().join(FILE), text.replace("1e999", "250")).unwrap();
        let (_, settings, _) = SettingsFile::open(folder.path());
        assert_eq!((settings.form.count, settings.form.steps, settings.tile), (1, None, 250.0));
    }
}
