//! What lies beside an adapter under training, so that a kill loses some steps at most.

use super::card::Point;
use super::settings::Settings;
use super::student::Student;
use crate::model::checkpoint::Weights;
use crate::tuning::optimizer::Optimizer;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The entry of the state's header that holds [`Course`].
const NOTE: &str = "kiln_course";

/// How far a run has come, beside weights and moments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Course {
    pub base_hash: String,
    pub data_hash: String,
    pub settings: Settings,
    pub curve: Vec<Point>,
    /// Training losses since the last point.
    pub losses: Vec<f32>,
    /// Errors of the checkpoint alone.
    pub base: Vec<f32>,
    /// The best check: its step and errors.
    pub best: Option<(u64, Vec<f32>)>,
    /// Checks since then.
    pub waited: u32,
    /// Seconds of all runs.
    pub seconds: f32,
}

/// The file of another kind that belongs to what a run makes, which is a `.safetensors` file or a folder.
pub fn beside(made: &Path, ending: &str) -> PathBuf {
    let name = made.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    made.with_file_name(format!("{}{ending}", name.strip_suffix(".safetensors").unwrap_or(&name)))
}

/// Where the state of a run lies.
pub fn path_of(adapter: &Path) -> PathBuf {
    beside(adapter, ".state.safetensors")
}

/// Writes both, atomically.
pub fn save(optimizer: &Optimizer, course: &Course, path: &Path) -> Result<()> {
    let text = serde_json::to_string(course)
        .map_err(|e| Error::failed(format!("The training state could not be written down: {e}.")))?;
    optimizer.save_with(path, &[(NOTE, &text)])
}

/// Takes both up again. The run must be the same but for its length.
pub fn restore(student: Student, optimizer: &mut Optimizer, course: &Course, path: &Path) -> Result<(Student, Course)> {
    let weights = Weights::open(path)?;
    let found: Option<Course> = weights.note(NOTE).and_then(|text| serde_json::from_str(text).ok());
    drop(weights);
    let Some(found) = found else {
        return Err(Error::failed(format!(
            "The training state {} does not say what it belongs to; move it away to begin anew.",
            path.display()
        )));
    };
    let differs = if found.base_hash != course.base_hash {
        "another model"
    } else if found.data_hash != course.data_hash {
        "other pictures or captions"
    } else if !course.settings.continues(&found.settings) {
        "other settings"
    } else {
        let student = optimizer.restore(student, path)?;
        let settings = course.settings.clone();
        return Ok((student, Course { settings, ..found }));
    };
    Err(Error::failed(format!(
        "The training state {} belongs to {differs}; give the same again, or begin anew (without --resume).",
        path.display()
    )))
}
