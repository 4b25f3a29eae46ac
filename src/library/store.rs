//! Opening the index: schema, repair, and taking in files that have no row.

use super::{INDEX, Library, TRASH, files, metadata, now, parameters, search};
use crate::recipe::Recipe;
use crate::{Error, Result};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// Version of the schema, kept in `user_version`.
const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE pictures(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    file TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    recipe TEXT NOT NULL,
    prompt TEXT NOT NULL,
    seed INTEGER NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    model TEXT NOT NULL,
    model_hash TEXT NOT NULL,
    seconds REAL NOT NULL,
    rating INTEGER NOT NULL DEFAULT 0 CHECK(rating BETWEEN 0 AND 5),
    favourite INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0,
    trashed INTEGER NOT NULL DEFAULT 0,
    missing INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX pictures_created ON pictures(created);
CREATE TABLE tags(
    picture INTEGER NOT NULL REFERENCES pictures(id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    PRIMARY KEY(picture, tag)
) WITHOUT ROWID;
CREATE TABLE comparisons(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    winner INTEGER NOT NULL REFERENCES pictures(id) ON DELETE CASCADE,
    loser INTEGER NOT NULL REFERENCES pictures(id) ON DELETE CASCADE,
    time INTEGER NOT NULL
);
CREATE VIRTUAL TABLE words USING fts5(prompt, tags, tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3');
";

/// A picture as it goes into the index.
pub(super) struct Row<'a> {
    pub file: &'a str,
    pub created: i64,
    pub recipe: &'a Recipe,
    pub width: u32,
    pub height: u32,
    pub seconds: f32,
    pub trashed: bool,
}

/// See [`Library::open`].
pub(super) fn open(folder: &Path) -> Result<(Library, Vec<String>)> {
    let mut notices = Vec::new();
    let writable = files::make_writable_folder(folder).and_then(|()| {
        let trash = folder.join(TRASH);
        fs::create_dir_all(&trash).map_err(|e| files::explain("make the folder", &trash, &e))
    });
    let index = folder.join(INDEX);
    let (connection, read_only) = match writable {
        Ok(()) => open_or_replace(folder, &index, &mut notices)?,
        Err(error) if index.is_file() => (open_read_only(folder, &error, &mut notices)?, true),
        Err(error) => return Err(error),
    };
    let library =
        Library { folder: folder.to_path_buf(), index: connection, read_only, thumbnails: Default::default() };
    if !read_only {
        files::sweep(folder);
        // What is there can be shown all the same.
        if let Err(error) = tidy(&library, &mut notices) {
            notices.push(error.message);
        }
    }
    Ok((library, notices))
}

/// A sentence for an index that does not answer.
pub(super) fn trouble(folder: &Path, action: &str, error: &rusqlite::Error) -> Error {
    let index = folder.join(INDEX);
    let index = index.display();
    Error::failed(match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            format!("Could not {action} in {index}: the disk is full. Free some space and try again.")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            format!(
                "Could not {action} in {index}: the file cannot be written. Change its permissions or choose another library."
            )
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("Could not {action} in {index}: another program holds it. Close that program and try again.")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            format!(
                "Could not {action} in {index}: the index is damaged. Start Kiln again to have it made anew from the pictures."
            )
        }
        _ => format!("Could not {action} in {index}: {error}."),
    })
}

fn is_damage(error: &rusqlite::Error) -> bool {
    // Anything that is wrong with the content; what is wrong with the disk or with other programs is not damage.
    !matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
        )
    )
}

/// The index, and whether it can only be read.
fn open_or_replace(folder: &Path, index: &Path, notices: &mut Vec<String>) -> Result<(Connection, bool)> {
    let fail = |e: &rusqlite::Error| trouble(folder, "open the library", e);
    match connect(index) {
        Ok(Some(connection)) => Ok((connection, false)),
        Ok(None) => Err(Error::failed(format!(
            "The library {} was made by a newer Kiln: open it with that one, or choose another library.",
            folder.display()
        ))),
        Err(error) if is_damage(&error) => {
            let aside = set_aside(folder, index)?;
            let connection = match connect(index) {
                Ok(Some(connection)) => connection,
                Ok(None) => return Err(Error::failed("The new index of the library could not be read.")),
                Err(error) => return Err(fail(&error)),
            };
            notices.push(format!(
                "The library's index was damaged. It was kept as {} and made again from the pictures.",
                aside.display()
            ));
            // The rows must be there before old ratings can be put back.
            let library = Library {
                folder: folder.to_path_buf(),
                index: connection,
                read_only: false,
                thumbnails: Default::default(),
            };
            tidy(&library, &mut Vec::new())?;
            let mut connection = library.index;
            let saved = salvage(&aside, &mut connection).unwrap_or(0);
            if saved > 0 {
                notices.push(format!("Ratings and marks of {saved} pictures were read from the damaged index."));
            }
            Ok((connection, false))
        }
        // SQLite needs room beside the index even to read it; on a full disk the pictures should still be seen.
        Err(error) if index.is_file() && !is_busy(&error) => {
            let error = fail(&error);
            let connection = open_read_only(folder, &error, notices).map_err(|_| error)?;
            Ok((connection, true))
        }
        Err(error) => Err(fail(&error)),
    }
}

/// Opens an index and brings it to the present schema; `None` when it is from the future.
fn connect(index: &Path) -> rusqlite::Result<Option<Connection>> {
    let mut connection = Connection::open(index)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > VERSION {
        return Ok(None);
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A sound index is only read here, so that it opens on a full disk.
    if version < VERSION {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Another program may have been quicker.
        let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version < 1 {
            transaction.execute_batch(SCHEMA)?;
        }
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
    }
    let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT), None));
    }
    // Tables that lack a column are as good as damaged.
    connection.prepare(search::COLUMNS)?;
    connection.prepare("SELECT winner, loser, time FROM comparisons")?;
    connection.prepare("SELECT rowid FROM words WHERE words MATCH ''")?;
    Ok(Some(connection))
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Opens the index for reading alone. `immutable` reads it without the files that SQLite would have to make beside it.
fn open_read_only(folder: &Path, why: &dyn std::fmt::Display, notices: &mut Vec<String>) -> Result<Connection> {
    notices.push(format!("The pictures in {} are shown, but nothing new is saved there. {why}", folder.display()));
    let escaped = folder.join(INDEX).to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags);
    let connection = connection.map_err(|e| trouble(folder, "open the library", &e))?;
    connection.prepare(search::COLUMNS).map(drop).map_err(|e| trouble(folder, "open the library", &e))?;
    Ok(connection)
}

/// Renames a damaged index, with its journal, to a free name; returns that.
fn set_aside(folder: &Path, index: &Path) -> Result<PathBuf> {
    let stem = format!("library-damaged-{}", jiff::ZonedDateTime::now().strftime("%Y%m%d-%H%M%S"));
    let aside = files::free_name(folder, &stem, "sqlite");
    fs::rename(index, &aside).map_err(|e| files::explain("set aside the damaged index", index, &e))?;
    let beside = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_os_string();
        name.push(suffix);
        PathBuf::from(name)
    };
    for suffix in ["-wal", "-shm"] {
        let _ = fs::rename(beside(index, suffix), beside(&aside, suffix));
    }
    Ok(aside)
}

/// Reads what a damaged index still tells, row by row until it fails: times, ratings, marks, tags, comparisons, blind tests.
fn salvage(damaged: &Path, index: &mut Connection) -> rusqlite::Result<usize> {
    let old = Connection::open_with_flags(damaged, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let transaction = index.transaction()?;
    let mut names = BTreeMap::new();
    let mut saved = 0;
    {
        let mut rows = old.prepare("SELECT id, file, created, seconds, rating, favourite, rejected FROM pictures")?;
        let mut rows = rows.query([])?;
        while let Ok(Some(row)) = rows.next() {
            let read = || -> rusqlite::Result<(i64, String, i64, f64, u8, bool, bool)> {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
            };
            let Ok((id, file, created, seconds, rating, favourite, rejected)) = read() else { continue };
            let new: Option<i64> = transaction
                .query_row(
                    "UPDATE pictures SET created = ?2, seconds = ?3, rating = ?4, favourite = ?5, rejected = ?6
                     WHERE file = ?1 RETURNING id",
                    params![file, created, seconds, rating.min(super::MAX_STARS), favourite, rejected],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(new) = new {
                names.insert(id, new);
                saved += 1;
            }
        }
    }
    if let Ok(mut rows) = old.prepare("SELECT picture, tag FROM tags") {
        let mut rows = rows.query([])?;
        while let Ok(Some(row)) = rows.next() {
            let (Ok(picture), Ok(tag)) = (row.get::<_, i64>(0), row.get::<_, String>(1)) else { continue };
            if let Some(new) = names.get(&picture) {
                transaction.execute("INSERT OR IGNORE INTO tags VALUES(?1, ?2)", params![new, tag])?;
                search::reword(&transaction, *new)?;
            }
        }
    }
    if let Ok(mut rows) = old.prepare("SELECT winner, loser, time FROM comparisons ORDER BY id") {
        let mut rows = rows.query([])?;
        while let Ok(Some(row)) = rows.next() {
            let (Ok(winner), Ok(loser), Ok(time)) = (row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2))
            else {
                continue;
            };
            if let (Some(winner), Some(loser)) = (names.get(&winner), names.get(&loser)) {
                let insert = "INSERT INTO comparisons(winner, loser, time) VALUES(?1, ?2, ?3)";
                transaction.execute(insert, params![winner, loser, time])?;
            }
        }
    }
    if let Ok(mut rows) = old.prepare("SELECT with_taste, without_taste, outcome, time FROM trials ORDER BY id") {
        transaction.execute(super::trials::TABLE, [])?;
        let mut rows = rows.query([])?;
        while let Ok(Some(row)) = rows.next() {
            let (Ok(with), Ok(without)) = (row.get::<_, Option<i64>>(0), row.get::<_, Option<i64>>(1)) else {
                continue;
            };
            let (Ok(outcome), Ok(time)) = (row.get::<_, i64>(2), row.get::<_, i64>(3)) else { continue };
            let new = |old: Option<i64>| old.and_then(|old| names.get(&old).copied());
            let insert =
                "INSERT OR IGNORE INTO trials(with_taste, without_taste, outcome, time) VALUES(?1, ?2, ?3, ?4)";
            transaction.execute(insert, params![new(with), new(without), outcome, time])?;
        }
    }
    let sql = "SELECT adapter, with_it, without_it, outcome, time FROM adapter_trials ORDER BY id";
    if let Ok(mut rows) = old.prepare(sql) {
        transaction.execute(super::trials::ADAPTERS, [])?;
        let mut rows = rows.query([])?;
        while let Ok(Some(row)) = rows.next() {
            let (Ok(adapter), Ok(with), Ok(without)) =
                (row.get::<_, String>(0), row.get::<_, Option<i64>>(1), row.get::<_, Option<i64>>(2))
            else {
                continue;
            };
            let (Ok(outcome), Ok(time)) = (row.get::<_, i64>(3), row.get::<_, i64>(4)) else { continue };
            let new = |old: Option<i64>| old.and_then(|old| names.get(&old).copied());
            let insert = "INSERT OR IGNORE INTO adapter_trials(adapter, with_it, without_it, outcome, time) \
                          VALUES(?1, ?2, ?3, ?4, ?5)";
            transaction.execute(insert, params![adapter, new(with), new(without), outcome, time])?;
        }
    }
    transaction.commit()?;
    Ok(saved)
}

/// Makes rows and files agree: takes in files without a row, notes rows without a file, follows files to and from the
/// trash.
fn tidy(library: &Library, notices: &mut Vec<String>) -> Result<()> {
    let fail = |e: rusqlite::Error| trouble(&library.folder, "put the library in order", &e);
    let behaviour = rusqlite::TransactionBehavior::Immediate;
    let transaction = rusqlite::Transaction::new_unchecked(&library.index, behaviour).map_err(fail)?;
    // After the lock: every row that another program has made by now has its file in these lists.
    let shelf = picture_files(&library.folder)?;
    let trash = picture_files(&library.folder.join(TRASH))?;
    let mut known = BTreeSet::new();
    let mut lost = 0;
    {
        let mut rows = transaction.prepare("SELECT id, file, trashed, missing FROM pictures").map_err(fail)?;
        let mut rows = rows.query([]).map_err(fail)?;
        while let Some(row) = rows.next().map_err(fail)? {
            let (id, file): (i64, String) = (row.get(0).map_err(fail)?, row.get(1).map_err(fail)?);
            let was: (bool, bool) = (row.get(2).map_err(fail)?, row.get(3).map_err(fail)?);
            let trashed = !shelf.contains(&file) && (trash.contains(&file) || was.0);
            // Another program may have moved it between the two lists, hence the second look.
            let missing = !shelf.contains(&file)
                && !trash.contains(&file)
                && [false, true].iter().all(|trashed| !library.path_of(&file, *trashed).is_file());
            if was != (trashed, missing) {
                lost += usize::from(missing && !was.1);
                transaction
                    .execute(
                        "UPDATE pictures SET trashed = ?2, missing = ?3 WHERE id = ?1",
                        params![id, trashed, missing],
                    )
                    .map_err(fail)?;
            }
            known.insert(file);
        }
    }
    let mut adopted = 0;
    for (names, trashed) in [(&shelf, false), (&trash, true)] {
        for name in names.difference(&known).filter(|name| !trashed || !shelf.contains(*name)) {
            adopted += usize::from(adopt(library, &transaction, name, trashed).map_err(fail)?);
        }
    }
    transaction.commit().map_err(fail)?;
    if lost > 0 {
        notices.push(format!(
            "{lost} of your pictures are no longer in {}: put the files back to see them again.",
            library.folder.display()
        ));
    }
    if adopted > 0 {
        notices.push(format!("{adopted} pictures that were not in the library's index were found and taken in."));
    }
    Ok(())
}

/// Takes a picture file without a row into the index; `false` when it is no picture with a Recipe.
fn adopt(library: &Library, index: &Connection, name: &str, trashed: bool) -> rusqlite::Result<bool> {
    let path = library.path_of(name, trashed);
    let Ok(found) = metadata::read_file(&path) else { return Ok(false) };
    let Some(recipe) = found.recipe else { return Ok(false) };
    if found.width == 0 || found.height == 0 {
        return Ok(false);
    }
    let modified = fs::metadata(&path).and_then(|m| m.modified()).ok();
    let created = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map(|age| age.as_millis() as i64);
    let (width, height) = (found.width, found.height);
    let created = created.unwrap_or_else(now);
    insert(index, &Row { file: name, created, recipe: &recipe, width, height, seconds: 0.0, trashed })?;
    Ok(true)
}

/// Puts a picture into the index, or completes the row that another program has already made for its file.
pub(super) fn insert(index: &Connection, row: &Row) -> rusqlite::Result<i64> {
    let recipe = row.recipe.to_json().unwrap_or_else(|_| parameters::write(row.recipe));
    let id = index.query_row(
        "INSERT INTO pictures(file, created, recipe, prompt, seed, width, height, model, model_hash, seconds, trashed)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT(file) DO UPDATE SET created = excluded.created, seconds = excluded.seconds RETURNING id",
        params![
            row.file,
            row.created,
            recipe,
            row.recipe.prompt,
            row.recipe.seed as i64,
            row.width,
            row.height,
            row.recipe.model.name,
            row.recipe.model.hash,
            row.seconds,
            row.trashed,
        ],
        |row| row.get(0),
    )?;
    search::reword(index, id)?;
    Ok(id)
}

/// Names of the PNG files in a folder.
fn picture_files(folder: &Path) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(folder).map_err(|e| files::explain("read", folder, &e))?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| !name.starts_with('.') && name.to_ascii_lowercase().ends_with(".png")).collect())
}
