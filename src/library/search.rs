//! Finding pictures.

use super::{Comparison, Entry, Library, PictureId};
use crate::recipe::Recipe;
use crate::{Error, Result};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

/// Every column of an [`Entry`].
pub(super) const COLUMNS: &str = "SELECT id, file, created, recipe, width, height, seconds, rating, favourite, \
    rejected, trashed, (SELECT group_concat(tag, char(31)) FROM tags WHERE picture = id), seed, prompt, model, \
    model_hash FROM pictures";

/// In which order pictures are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
    /// Most stars first, then newest.
    Best,
}

/// Which pictures to list; the default is all that are not in the trash, newest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Query {
    /// Beginnings of words that the prompt or the tags must hold, in any order; `-word` excludes, and quotes join words.
    pub text: String,
    /// Fewest stars.
    pub min_rating: u8,
    /// Only favourites.
    pub favourite: bool,
    /// Only pictures with this family slider (`family:NAME` above 0), or whose prompt holds these words.
    pub family: Option<String>,
    /// Only pictures with this tag.
    pub tag: Option<String>,
    /// Leave out pictures marked as rejected.
    pub hide_rejected: bool,
    /// The trash, instead of the library.
    pub trashed: bool,
    /// The order.
    pub sort: Sort,
    /// At most so many; `None` for all.
    pub limit: Option<usize>,
    /// Leave out so many at the start.
    pub offset: usize,
}

impl Library {
    /// Pictures that a query asks for. Pictures whose file has gone are left out.
    ///
    /// # Errors
    /// When the index does not answer.
    pub fn list(&self, query: &Query) -> Result<Vec<Entry>> {
        let (filter, mut values) = filter(query);
        let order = match query.sort {
            Sort::Newest => "created DESC, id DESC",
            Sort::Oldest => "created, id",
            Sort::Best => "rating DESC, favourite DESC, created DESC, id DESC",
        };
        let sql = format!("{COLUMNS} WHERE {filter} ORDER BY {order} LIMIT ? OFFSET ?");
        let number = |n: usize| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        values.push(query.limit.map_or(Value::Integer(-1), number));
        values.push(number(query.offset));
        let read = || -> rusqlite::Result<Vec<Entry>> {
            let mut statement = self.index.prepare_cached(&sql)?;
            statement.query_map(params_from_iter(values), |row| self.entry(row))?.collect()
        };
        read().map_err(|e| self.trouble("look for pictures", &e))
    }

    /// How many pictures a query asks for, whatever its limit and offset.
    ///
    /// # Errors
    /// When the index does not answer.
    pub fn count(&self, query: &Query) -> Result<usize> {
        let (filter, values) = filter(query);
        let sql = format!("SELECT count(*) FROM pictures WHERE {filter}");
        let count: rusqlite::Result<i64> = self.index.query_row(&sql, params_from_iter(values), |row| row.get(0));
        count.map(|n| n as usize).map_err(|e| self.trouble("count the pictures", &e))
    }

    /// One picture, in the library or in its trash.
    ///
    /// # Errors
    /// When there is no such picture or the index does not answer.
    pub fn get(&self, id: PictureId) -> Result<Entry> {
        let sql = format!("{COLUMNS} WHERE id = ?1");
        let found = self.index.query_row(&sql, [id], |row| self.entry(row)).optional();
        found.map_err(|e| self.trouble("look for a picture", &e))?.ok_or_else(|| unknown(id))
    }

    /// Every answer to "which of these two?", oldest first.
    ///
    /// # Errors
    /// When the index does not answer.
    pub fn comparisons(&self) -> Result<Vec<Comparison>> {
        let read = || -> rusqlite::Result<Vec<Comparison>> {
            let mut statement = self.index.prepare_cached("SELECT winner, loser, time FROM comparisons ORDER BY id")?;
            let rows = statement
                .query_map([], |row| Ok(Comparison { winner: row.get(0)?, loser: row.get(1)?, time: row.get(2)? }))?;
            rows.collect()
        };
        read().map_err(|e| self.trouble("read the comparisons", &e))
    }

    /// All tags in use, sorted.
    ///
    /// # Errors
    /// When the index does not answer.
    pub fn all_tags(&self) -> Result<Vec<String>> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self.index.prepare_cached("SELECT DISTINCT tag FROM tags ORDER BY tag")?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        read().map_err(|e| self.trouble("read the tags", &e))
    }

    fn entry(&self, row: &Row) -> rusqlite::Result<Entry> {
        let (file, trashed): (String, bool) = (row.get(1)?, row.get(10)?);
        let (width, height): (u32, u32) = (row.get(4)?, row.get(5)?);
        // A recipe that this Kiln cannot read must not hide the picture: the columns still tell the most of it.
        let recipe = match Recipe::from_json(&row.get::<_, String>(3)?) {
            Ok(recipe) => recipe,
            Err(_) => Recipe {
                prompt: row.get(13)?,
                seed: row.get::<_, i64>(12)? as u64,
                model: crate::recipe::ModelRef { name: row.get(14)?, hash: row.get(15)? },
                width,
                height,
                ..Recipe::default()
            },
        };
        let tags: Option<String> = row.get(11)?;
        let mut tags: Vec<String> = tags.map_or(Vec::new(), |tags| tags.split('\u{1f}').map(str::to_string).collect());
        tags.sort();
        Ok(Entry {
            id: row.get(0)?,
            path: self.path_of(&file, trashed),
            created: row.get(2)?,
            recipe,
            width,
            height,
            seconds: row.get::<_, f64>(6)? as f32,
            rating: row.get(7)?,
            favourite: row.get(8)?,
            rejected: row.get(9)?,
            tags,
            trashed,
        })
    }
}

/// A sentence for a number that no picture has.
pub(super) fn unknown(id: PictureId) -> Error {
    Error::failed(format!("There is no picture {id} in the library: `kiln library list` shows those that are."))
}

/// Refreshes the words under which a picture is found.
pub(super) fn reword(index: &Connection, id: PictureId) -> rusqlite::Result<()> {
    index.execute("DELETE FROM words WHERE rowid = ?1", [id])?;
    index.execute(
        "INSERT INTO words(rowid, prompt, tags)
         SELECT id, prompt, coalesce((SELECT group_concat(tag, ' ') FROM tags WHERE picture = id), '')
         FROM pictures WHERE id = ?1",
        params![id],
    )?;
    Ok(())
}

/// The condition of a query and its values.
fn filter(query: &Query) -> (String, Vec<Value>) {
    let mut sql = format!("missing = 0 AND trashed = {}", i32::from(query.trashed));
    let mut values = Vec::new();
    if query.min_rating > 0 {
        sql += " AND rating >= ?";
        values.push(Value::Integer(query.min_rating.into()));
    }
    if query.favourite {
        sql += " AND favourite";
    }
    if query.hide_rejected {
        sql += " AND NOT rejected";
    }
    if let Some(tag) = &query.tag {
        sql += " AND EXISTS (SELECT 1 FROM tags WHERE picture = id AND tag = ?)";
        values.push(Value::Text(tag.clone()));
    }
    let mut matches = |text: &str, sql: &mut String| {
        for (words, wanted) in terms(text) {
            let not = if wanted { "" } else { "NOT " };
            *sql += &format!(" AND id {not}IN (SELECT rowid FROM words WHERE words MATCH ?)");
            values.push(Value::Text(words));
        }
    };
    matches(&query.text, &mut sql);
    if let Some(family) = &query.family {
        let name = family.strip_prefix("family:").unwrap_or(family);
        let (words, mut texts) = (phrase(&name.replace(['_', '-'], " ")), Vec::new());
        let mut any = "coalesce(json_extract(recipe, '$.sliders.' || ?), 0) > 0".to_string();
        texts.push(Value::Text(format!("\"family:{}\"", name.replace('"', ""))));
        if let Some(words) = words {
            any += " OR id IN (SELECT rowid FROM words WHERE words MATCH ?)";
            texts.push(Value::Text(words));
        }
        sql += &format!(" AND ({any})");
        values.extend(texts);
    }
    (sql, values)
}

/// The search text as FTS5 expressions, each with whether it is wanted or excluded.
fn terms(text: &str) -> Vec<(String, bool)> {
    let mut terms = Vec::new();
    for (index, part) in text.split('"').enumerate() {
        if index % 2 == 1 {
            terms.extend(phrase(part).map(|words| (words, true)));
            continue;
        }
        for word in part.split_whitespace() {
            let (word, wanted) = word.strip_prefix('-').map_or((word, true), |word| (word, false));
            terms.extend(phrase(word).map(|words| (words, wanted)));
        }
    }
    terms
}

/// Words that stand together, the last of which may go on; `None` when there is no letter or digit in them.
fn phrase(text: &str) -> Option<String> {
    // Quotes make FTS5 take everything inside as plain words.
    let plain = text.replace(['"', '\0'], " ");
    plain.chars().any(char::is_alphanumeric).then(|| format!("\"{}\"*", plain.trim()))
}
