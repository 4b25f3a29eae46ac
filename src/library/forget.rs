//! What was measured for taste, and forgetting all that the person's choices tell.

use super::{INDEX, Library, PictureId, files};
use crate::{Error, Result};
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::fs;

/// Made at the first need, so that an index without it stays readable for older programs.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS measures(
    picture INTEGER PRIMARY KEY REFERENCES pictures(id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    numbers BLOB NOT NULL
)";

impl Library {
    /// Numbers that were kept under this version with [`Library::keep_measures`], by picture.
    ///
    /// # Errors
    /// When the index does not answer.
    pub fn measures(&self, version: i64) -> Result<HashMap<PictureId, Vec<f32>>> {
        let read = || -> rusqlite::Result<HashMap<PictureId, Vec<f32>>> {
            if !self.has_table("measures")? {
                return Ok(HashMap::new());
            }
            let mut rows = self.index.prepare_cached("SELECT picture, numbers FROM measures WHERE version = ?1")?;
            let rows = rows.query_map([version], |row| {
                let bytes: Vec<u8> = row.get(1)?;
                Ok((row.get(0)?, bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()))
            })?;
            rows.collect()
        };
        read().map_err(|e| self.trouble("read what was measured", &e))
    }

    /// Keeps numbers that were measured of pictures, so that it need not be done again. Pictures that have gone meanwhile are
    /// passed over.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn keep_measures(&self, version: i64, found: &[(PictureId, Vec<f32>)]) -> Result<()> {
        self.writable()?;
        self.in_transaction("keep what was measured", |index| {
            index.execute(TABLE, [])?;
            let mut insert = index.prepare_cached(
                "INSERT OR REPLACE INTO measures(picture, version, numbers)
                 SELECT id, ?2, ?3 FROM pictures WHERE id = ?1",
            )?;
            for (id, numbers) in found {
                let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
                insert.execute(params![id, version, bytes])?;
            }
            Ok(())
        })
    }

    /// Forgets every star, favourite, reject, comparison and blind test, and what was measured for taste, so that nothing of
    /// it is left in the library's files: the index is rewritten, and damaged ones that were set aside are deleted. The pictures stay.
    /// Returns how many pictures had been rated or marked, and how many comparisons there were.
    ///
    /// # Errors
    /// When the index cannot be written, or another program reads it meanwhile.
    pub fn forget_choices(&self) -> Result<(usize, usize)> {
        self.writable()?;
        let fail = |e: rusqlite::Error| self.trouble("forget your choices", &e);
        self.index.pragma_update(None, "secure_delete", true).map_err(fail)?;
        let counts = self.in_transaction("forget your choices", |index| {
            let marked = index.execute(
                "UPDATE pictures SET rating = 0, favourite = 0, rejected = 0 WHERE rating OR favourite OR rejected",
                [],
            )?;
            let compared = index.execute("DELETE FROM comparisons", [])?;
            index.execute("DELETE FROM sqlite_sequence WHERE name = 'comparisons'", [])?;
            index.execute("DROP TABLE IF EXISTS measures", [])?;
            index.execute("DROP TABLE IF EXISTS trials", [])?;
            index.execute("DROP TABLE IF EXISTS adapter_trials", [])?;
            Ok((marked, compared))
        })?;
        rewrite(&self.index).map_err(fail)?;
        let entries = fs::read_dir(&self.folder).map_err(|e| files::explain("read", &self.folder, &e))?;
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with("library-damaged-") {
                fs::remove_file(entry.path()).map_err(|e| files::explain("delete", &entry.path(), &e))?;
            }
        }
        // The journal has the old pages until it is emptied, which a reader elsewhere prevents.
        let busy: i64 = self.index.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(fail)?;
        if busy != 0 {
            return Err(Error::failed(format!(
                "Your choices are deleted, but traces are left in {}-wal while another program reads it: close that program \
                 and forget once more.",
                self.folder.join(INDEX).display()
            )));
        }
        Ok(counts)
    }

    /// Whether the index has a table that is made at the first need.
    pub(super) fn has_table(&self, name: &str) -> rusqlite::Result<bool> {
        let sql = "SELECT count(*) FROM sqlite_master WHERE name = ?1";
        let count: i64 = self.index.query_row(sql, [name], |row| row.get(0))?;
        Ok(count > 0)
    }
}

/// Writes every page anew, without what was deleted.
fn rewrite(index: &Connection) -> rusqlite::Result<()> {
    index.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    index.execute_batch("VACUUM")
}

#[cfg(test)]
mod tests {
    use super::super::Library;
    use crate::recipe::{Picture, Recipe};

    #[test]
    fn forgetting_leaves_no_trace_and_keeps_the_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let (library, _) = Library::open(folder.path()).unwrap();
        let recipe = Recipe { prompt: "fox".into(), width: 64, height: 64, ..Recipe::default() };
        let picture = Picture { width: 64, height: 64, rgb: vec![7; 64 * 64 * 3], recipe, seconds: 0.0 };
        let ids: Vec<i64> = (0..4).map(|_| library.add(&picture).unwrap().id).collect();
        library.rate(ids[0], 5).unwrap();
        library.favourite(ids[1], true).unwrap();
        library.reject(ids[2], true).unwrap();
        library.compare(ids[0], ids[3]).unwrap();
        let telling = [123.456f32, -654.321];
        library.keep_measures(1, &[(ids[0], telling.to_vec()), (999, vec![1.0])]).unwrap();
        assert_eq!(library.measures(1).unwrap().get(&ids[0]).unwrap(), &telling);
        assert!(library.measures(2).unwrap().is_empty());
        let trace: Vec<u8> = telling.iter().flat_map(|n| n.to_le_bytes()).collect();
        let holds = || {
            let files = std::fs::read_dir(folder.path()).unwrap().flatten();
            files
                .filter(|f| f.file_name().to_string_lossy().starts_with("library"))
                .any(|file| std::fs::read(file.path()).unwrap().windows(trace.len()).any(|window| window == trace))
        };
        assert!(holds(), "the trace that the test looks for");
        std::fs::write(folder.path().join("library-damaged-1.sqlite"), &trace).unwrap();

        assert_eq!(library.forget_choices().unwrap(), (3, 1));
        assert!(!holds() && library.measures(1).unwrap().is_empty() && library.comparisons().unwrap().is_empty());
        for id in ids {
            let entry = library.get(id).unwrap();
            assert!(entry.rating == 0 && !entry.favourite && !entry.rejected && entry.path.is_file());
        }
        assert_eq!(library.forget_choices().unwrap(), (0, 0));
    }
}
