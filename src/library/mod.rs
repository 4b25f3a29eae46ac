//! The user's pictures: SQLite index, files, metadata, search, export.
