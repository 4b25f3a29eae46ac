//! Adding, rating, marking, tagging, comparing, deleting and bringing back.

use super::{Entry, Library, MAX_STARS, PictureId, TRASH, files, metadata, now, search, store};
use crate::recipe::Picture;
use crate::{Error, Result};
use rusqlite::params;
use std::fs;

impl Library {
    /// Saves a picture: its file first, then its row. When the row fails the file is kept, and is taken in when the
    /// library is next opened.
    ///
    /// # Errors
    /// When the disk is full, or the folder cannot be written or has gone; the caller still holds the picture.
    pub fn add(&self, picture: &Picture) -> Result<Entry> {
        self.writable()?;
        let bytes = metadata::encode_png(picture)?;
        let created = now();
        let clock = jiff::Timestamp::from_millisecond(created)
            .map(|time| time.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y%m%d-%H%M%S-%3f").to_string())
            .unwrap_or_else(|_| created.to_string());
        let path = files::write_new(&self.folder, &format!("{clock}-{}", picture.recipe.seed), "png", &bytes)?;
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (width, height) = (picture.width, picture.height);
        let seconds = if picture.seconds.is_finite() { picture.seconds } else { 0.0 };
        let row = store::Row { file: &file, created, recipe: &picture.recipe, width, height, seconds, trashed: false };
        let id = self.in_transaction("note the picture", |index| store::insert(index, &row)).map_err(|e| {
            let message = format!("The picture is safe in {}, but: {}", path.display(), e.message);
            Error { message, ..e }
        })?;
        self.get(id)
    }

    /// Gives a picture 0 (not rated) to 5 stars.
    ///
    /// # Errors
    /// More than 5 stars (usage), no such picture, or an index that cannot be written.
    pub fn rate(&self, id: PictureId, stars: u8) -> Result<()> {
        if stars > MAX_STARS {
            return Err(Error::usage(format!("{stars} stars are too many: use 0 (not rated) to {MAX_STARS}.")));
        }
        self.set(id, "rating", stars)
    }

    /// Marks a picture as a favourite, or takes the mark away.
    ///
    /// # Errors
    /// No such picture, or an index that cannot be written.
    pub fn favourite(&self, id: PictureId, on: bool) -> Result<()> {
        self.set(id, "favourite", u8::from(on))
    }

    /// Marks a picture as rejected, or takes the mark away. A rejected picture stays where it is.
    ///
    /// # Errors
    /// No such picture, or an index that cannot be written.
    pub fn reject(&self, id: PictureId, on: bool) -> Result<()> {
        self.set(id, "rejected", u8::from(on))
    }

    /// Notes that of two pictures one was preferred.
    ///
    /// # Errors
    /// Twice the same picture (usage), no such picture, or an index that cannot be written.
    pub fn compare(&self, winner: PictureId, loser: PictureId) -> Result<()> {
        self.writable()?;
        if winner == loser {
            return Err(Error::usage(format!("Picture {winner} cannot be compared with itself.")));
        }
        self.get(winner)?;
        self.get(loser)?;
        self.in_transaction("note the comparison", |index| {
            let insert = "INSERT INTO comparisons(winner, loser, time) VALUES(?1, ?2, ?3)";
            index.execute(insert, params![winner, loser, now()])
        })?;
        Ok(())
    }

    /// Replaces the tags of a picture. Tags are trimmed; empty ones and doubles are dropped.
    ///
    /// # Errors
    /// No such picture, or an index that cannot be written.
    pub fn set_tags(&self, id: PictureId, tags: &[impl AsRef<str>]) -> Result<()> {
        self.writable()?;
        self.get(id)?;
        self.in_transaction("note the tags", |index| {
            index.execute("DELETE FROM tags WHERE picture = ?1", [id])?;
            for tag in tags {
                let tag = tag.as_ref().replace(char::is_control, " ");
                if !tag.trim().is_empty() {
                    index.execute("INSERT OR IGNORE INTO tags VALUES(?1, ?2)", params![id, tag.trim()])?;
                }
            }
            search::reword(index, id)
        })
    }

    /// Moves a picture to the library's trash; [`Library::restore`] brings it back. Already there is no error.
    ///
    /// # Errors
    /// No such picture, or a folder or index that cannot be written.
    pub fn delete(&self, id: PictureId) -> Result<()> {
        self.relocate(id, true)
    }

    /// Brings a picture back from the trash. Already back is no error.
    ///
    /// # Errors
    /// No such picture, its file has gone from the trash, or a folder or index that cannot be written.
    pub fn restore(&self, id: PictureId) -> Result<()> {
        self.relocate(id, false)
    }

    /// Deletes what is in the trash, for good; returns how many pictures.
    ///
    /// # Errors
    /// When a file or the index cannot be written.
    pub fn empty_trash(&self) -> Result<usize> {
        self.writable()?;
        let trashed = self.list(&super::Query { trashed: true, ..Default::default() })?;
        for entry in &trashed {
            match fs::remove_file(&entry.path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(files::explain("delete", &entry.path, &e));
                }
                _ => {}
            }
            self.in_transaction("forget the picture", |index| {
                index.execute("DELETE FROM words WHERE rowid = ?1", [entry.id])?;
                index.execute("DELETE FROM pictures WHERE id = ?1", [entry.id])
            })?;
        }
        Ok(trashed.len())
    }

    fn relocate(&self, id: PictureId, trashed: bool) -> Result<()> {
        self.writable()?;
        let entry = self.get(id)?;
        if entry.trashed == trashed {
            return Ok(());
        }
        let name = entry.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let target = self.path_of(&name, trashed);
        let trash = self.folder.join(TRASH);
        let moved = fs::create_dir_all(&trash).and_then(|()| {
            // Renaming would silently replace a file of that name which somebody put there by hand.
            if target.symlink_metadata().is_ok() {
                return Err(std::io::Error::other(format!("{} is in the way", target.display())));
            }
            fs::rename(&entry.path, &target)
        });
        let action = if trashed { "move to the trash" } else { "bring back" };
        moved.map_err(|e| files::explain(action, &entry.path, &e))?;
        files::flush_folder(&self.folder);
        files::flush_folder(&trash);
        self.set(id, "trashed", u8::from(trashed))
    }

    /// Sets one column of one picture.
    fn set(&self, id: PictureId, column: &'static str, value: u8) -> Result<()> {
        self.writable()?;
        let sql = format!("UPDATE pictures SET {column} = ?2 WHERE id = ?1");
        let changed = self.in_transaction("change a picture", |index| index.execute(&sql, params![id, value]))?;
        if changed == 0 { Err(search::unknown(id)) } else { Ok(()) }
    }

    pub(super) fn in_transaction<T>(
        &self,
        action: &str,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let run = || -> rusqlite::Result<T> {
            let behaviour = rusqlite::TransactionBehavior::Immediate;
            let transaction = rusqlite::Transaction::new_unchecked(&self.index, behaviour)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        run().map_err(|e| self.trouble(action, &e))
    }
}
