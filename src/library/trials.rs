//! Answers of blind tests: of two pictures, was the one with taste, or with an adapter, preferred?

use super::{Library, PictureId, now};
use crate::Result;
use rusqlite::params;
use std::collections::HashMap;

/// Made at the first need, so that an index without it stays readable for older programs. An answer outlives its pictures.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS trials(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    with_taste INTEGER REFERENCES pictures(id) ON DELETE SET NULL,
    without_taste INTEGER REFERENCES pictures(id) ON DELETE SET NULL,
    outcome INTEGER NOT NULL CHECK(outcome BETWEEN 0 AND 2),
    time INTEGER NOT NULL
)";

/// The same for adapters, each known by the hash of its file.
pub(super) const ADAPTERS: &str = "CREATE TABLE IF NOT EXISTS adapter_trials(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    adapter TEXT NOT NULL,
    with_it INTEGER REFERENCES pictures(id) ON DELETE SET NULL,
    without_it INTEGER REFERENCES pictures(id) ON DELETE SET NULL,
    outcome INTEGER NOT NULL CHECK(outcome BETWEEN 0 AND 2),
    time INTEGER NOT NULL
)";

/// What a person chose who did not know which was which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The picture without taste, or without the adapter.
    Without,
    /// Neither.
    Same,
    /// The picture with it.
    With,
}

/// One answer of a blind test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// The picture with taste, or with the adapter; absent when it was deleted for good.
    pub with: Option<PictureId>,
    /// The picture without.
    pub without: Option<PictureId>,
    /// What was chosen.
    pub outcome: Outcome,
    /// When, milliseconds since 1970 (UTC).
    pub time: i64,
}

impl Library {
    /// Keeps an answer of a blind test. A choice between the two is a comparison, too, and teaches taste like any other.
    ///
    /// # Errors
    /// As of [`Library::compare`].
    pub fn keep_trial(&self, with: PictureId, without: PictureId, outcome: Outcome) -> Result<()> {
        self.teach_by(with, without, outcome)?;
        self.in_transaction("note the answer", |index| {
            index.execute(TABLE, [])?;
            let insert = "INSERT INTO trials(with_taste, without_taste, outcome, time) VALUES(?1, ?2, ?3, ?4)";
            index.execute(insert, params![with, without, outcome as i64, now()])
        })?;
        Ok(())
    }

    /// The same for an adapter, by the hash of its file.
    ///
    /// # Errors
    /// As of [`Library::compare`].
    pub fn keep_adapter_trial(
        &self,
        adapter: &str,
        with: PictureId,
        without: PictureId,
        outcome: Outcome,
    ) -> Result<()> {
        self.teach_by(with, without, outcome)?;
        self.in_transaction("note the answer", |index| {
            index.execute(ADAPTERS, [])?;
            let insert =
                "INSERT INTO adapter_trials(adapter, with_it, without_it, outcome, time) VALUES(?1, ?2, ?3, ?4, ?5)";
            index.execute(insert, params![adapter, with, without, outcome as i64, now()])
        })?;
        Ok(())
    }

    fn teach_by(&self, with: PictureId, without: PictureId, outcome: Outcome) -> Result<()> {
        match outcome {
            Outcome::With => self.compare(with, without),
            Outcome::Without => self.compare(without, with),
            Outcome::Same => self.writable(),
        }
    }

    /// All answers of blind tests of adapters by the hashes of their files, oldest first.
    ///
    /// # Errors
    /// When the index does not answer.
    pub fn adapter_trials(&self) -> Result<HashMap<String, Vec<Trial>>> {
        let read = || -> rusqlite::Result<HashMap<String, Vec<Trial>>> {
            let mut found: HashMap<String, Vec<Trial>> = HashMap::new();
            if !self.has_table("adapter_trials")? {
                return Ok(found);
            }
            let sql = "SELECT with_it, without_it, outcome, time, adapter FROM adapter_trials ORDER BY id";
            let mut statement = self.index.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(4)?, trial(row)?)))?;
            for row in rows {
                let (adapter, trial) = row?;
                found.entry(adapter).or_default().push(trial);
            }
            Ok(found)
        };
        read().map_err(|e| self.trouble("read the answers of blind tests", &e))
    }

    /// All answers of blind tests of taste, oldest first.
    ///
    /// # Errors
    /// When the index does not answer.
    pub fn trials(&self) -> Result<Vec<Trial>> {
        let read = || -> rusqlite::Result<Vec<Trial>> {
            if !self.has_table("trials")? {
                return Ok(Vec::new());
            }
            let sql = "SELECT with_taste, without_taste, outcome, time FROM trials ORDER BY id";
            let mut statement = self.index.prepare_cached(sql)?;
            statement.query_map([], trial)?.collect()
        };
        read().map_err(|e| self.trouble("read the answers of blind tests", &e))
    }
}

/// An answer whose row begins with both pictures, outcome and time.
fn trial(row: &rusqlite::Row<'_>) -> rusqlite::Result<Trial> {
    let outcome = match row.get::<_, i64>(2)? {
        0 => Outcome::Without,
        1 => Outcome::Same,
        _ => Outcome::With,
    };
    Ok(Trial { with: row.get(0)?, without: row.get(1)?, outcome, time: row.get(3)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Picture, Recipe};

    #[test]
    fn answers_outlive_a_restart_and_their_pictures_and_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Library::open(folder.path()).unwrap().0;
        let library = open();
        assert!(library.trials().unwrap().is_empty());
        let recipe = Recipe { prompt: "fox".into(), width: 64, height: 64, ..Recipe::default() };
        let picture = Picture { width: 64, height: 64, rgb: vec![7; 64 * 64 * 3], recipe, seconds: 0.0 };
        let ids: Vec<i64> = (0..3).map(|_| library.add(&picture).unwrap().id).collect();
        library.keep_trial(ids[0], ids[1], Outcome::With).unwrap();
        library.keep_trial(ids[0], ids[2], Outcome::Without).unwrap();
        library.keep_trial(ids[1], ids[2], Outcome::Same).unwrap();
        assert!(library.keep_trial(ids[0], 99, Outcome::With).is_err());
        assert!(library.adapter_trials().unwrap().is_empty());
        for (adapter, outcome) in [("ink", Outcome::Same), ("ink", Outcome::With), ("fur", Outcome::Without)] {
            library.keep_adapter_trial(adapter, ids[0], ids[2], outcome).unwrap();
        }
        drop(library);
        let library = open();
        let outcomes: Vec<Outcome> = library.trials().unwrap().iter().map(|t| t.outcome).collect();
        assert_eq!(outcomes, [Outcome::With, Outcome::Without, Outcome::Same]);
        let compared: Vec<_> = library.comparisons().unwrap().iter().map(|c| (c.winner, c.loser)).collect();
        let wanted = [(ids[0], ids[1]), (ids[2], ids[0]), (ids[0], ids[2]), (ids[2], ids[0])];
        assert_eq!(compared, wanted, "choices teach, too");
        let of_adapters = library.adapter_trials().unwrap();
        let outcomes = |name: &str| of_adapters[name].iter().map(|t| t.outcome).collect::<Vec<_>>();
        assert_eq!((outcomes("ink"), outcomes("fur").len()), (vec![Outcome::Same, Outcome::With], 1));
        library.delete(ids[1]).unwrap();
        library.empty_trash().unwrap();
        let left = library.trials().unwrap();
        assert_eq!((left.len(), left[0].with, left[0].without), (3, Some(ids[0]), None));
        library.forget_choices().unwrap();
        assert!(library.trials().unwrap().is_empty() && library.adapter_trials().unwrap().is_empty());
    }
}
