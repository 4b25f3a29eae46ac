//! Files that are whole or absent: temporary name, flush, rename.

use crate::{Error, Result};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How the name of a file that is still being written begins.
const TEMPORARY: &str = ".kiln-writing-";
/// On file systems without locks, a temporary file this old belongs to nobody.
const ABANDONED: Duration = Duration::from_secs(3600);

/// How often a file is begun that others sweep away before it is locked.
const ATTEMPTS: u32 = 20;

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Writes a file so that at any instant either the old file, the new one, or none is there, and after the return the
/// new one survives a power cut.
///
/// # Errors
/// When the disk is full, the folder is gone or cannot be written. Nothing is left behind.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let place = |temporary: &Path| fs::rename(temporary, path);
    write_and_place(parent(path), |file| file.write_all(bytes), place).map_err(|e| explain("save", path, &e))
}

/// Writes a new file `folder/stem.extension`, or `stem-2`, `stem-3`… where that is taken, as [`write_whole`] does; never
/// replaces a file, even one that another program makes at the same instant. Returns its path.
///
/// # Errors
/// As [`write_whole`].
pub fn write_new(folder: &Path, stem: &str, extension: &str, bytes: &[u8]) -> Result<PathBuf> {
    let place = |temporary: &Path| {
        loop {
            let path = free_name(folder, stem, extension);
            // A link fails where the name is taken by now; a rename would replace.
            match fs::hard_link(temporary, &path) {
                Ok(()) => {
                    let _ = fs::remove_file(temporary);
                    return Ok(path);
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                // File systems without links; what can go wrong there is a name that was free a microsecond ago.
                Err(_) => return fs::rename(temporary, &path).map(|()| path),
            }
        }
    };
    let wanted = folder.join(format!("{stem}.{extension}"));
    write_and_place(folder, |file| file.write_all(bytes), place).map_err(|e| explain("save", &wanted, &e))
}

/// Writes a file as [`write_whole`] does, unless one of that name is there or comes to be there meanwhile; returns
/// whether it did.
///
/// # Errors
/// As [`write_whole`].
pub fn write_unless_taken(path: &Path, bytes: &[u8]) -> Result<bool> {
    let place = |temporary: &Path| match fs::hard_link(temporary, path) {
        Ok(()) => fs::remove_file(temporary).map(|()| true),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => fs::remove_file(temporary).map(|()| false),
        Err(_) => fs::rename(temporary, path).map(|()| true),
    };
    if path.symlink_metadata().is_ok() {
        return Ok(false);
    }
    write_and_place(parent(path), |file| file.write_all(bytes), place).map_err(|e| explain("save", path, &e))
}

/// Makes a folder if it is absent, and tries whether a file can be written there.
///
/// # Errors
/// When it cannot.
pub fn make_writable_folder(folder: &Path) -> Result<()> {
    let name = format!("{TEMPORARY}probe-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
    let probe = folder.join(name);
    let tried = fs::create_dir_all(folder)
        .and_then(|()| OpenOptions::new().write(true).create_new(true).open(&probe))
        .map(drop)
        .and_then(|()| match fs::remove_file(&probe) {
            // Another Kiln that opens the folder just now swept it away as an orphan: it was written all the same.
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        });
    tried.map_err(|e| explain("write to the folder", folder, &e))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn write_and_place<T>(
    folder: &Path,
    fill: impl Fn(&mut File) -> io::Result<()>,
    place: impl Fn(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let attempt = || {
        let name = format!("{TEMPORARY}{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let temporary = folder.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        // Tells another Kiln that this file is no orphan; where there are no locks, its age does.
        let _ = file.lock();
        let written = fill(&mut file).and_then(|()| file.sync_all());
        // Still locked, or it could be swept away before it has its name.
        let done = written.and_then(|()| place(&temporary));
        drop(file);
        if done.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        done
    };
    let mut done = attempt();
    for _ in 1..ATTEMPTS {
        // Swept away between its creation and its lock: once more.
        let swept = done.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFound);
        if !swept || !folder.is_dir() {
            break;
        }
        done = attempt();
    }
    let done = done?;
    flush_folder(folder);
    Ok(done)
}

/// Makes a rename in `folder` survive a power cut, where the system can.
pub(super) fn flush_folder(folder: &Path) {
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    #[cfg(not(unix))]
    let _ = folder;
}

/// Removes temporary files that nobody is writing any more; returns how many.
pub(super) fn sweep(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let orphans = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(TEMPORARY));
    orphans.filter(|entry| is_orphan(&entry.path()) && fs::remove_file(entry.path()).is_ok()).count()
}

fn is_orphan(path: &Path) -> bool {
    let Ok(file) = OpenOptions::new().write(true).open(path) else { return false };
    match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => {
            let age = file.metadata().and_then(|m| m.modified()).ok().and_then(|time| time.elapsed().ok());
            age.is_some_and(|age| age > ABANDONED)
        }
    }
}

/// A sentence for a failed file operation, with what to do where that is known.
pub(super) fn explain(action: &str, path: &Path, error: &io::Error) -> Error {
    let path = path.display();
    Error::failed(match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            format!("Could not {action} {path}: the disk is full. Free some space and try again.")
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            format!(
                "Could not {action} {path}: the folder cannot be written. Choose another or change its permissions."
            )
        }
        ErrorKind::NotFound => format!("Could not {action} {path}: it is not there any more."),
        _ => format!("Could not {action} {path}: {error}."),
    })
}

/// `folder/stem.extension`, or `stem-2`, `stem-3`… where that is taken.
pub(super) fn free_name(folder: &Path, stem: &str, extension: &str) -> PathBuf {
    let mut path = folder.join(format!("{stem}.{extension}"));
    let mut count = 2u64;
    while path.symlink_metadata().is_ok() {
        path = folder.join(format!("{stem}-{count}.{extension}"));
        count += 1;
    }
    path
}

/// Words of a prompt as a file name: lower-case letters and digits joined by `-`, at most 48 characters.
pub fn slug(prompt: &str) -> String {
    let mut slug = String::new();
    for c in prompt.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            slug.push(c);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
        if slug.chars().count() >= 48 {
            break;
        }
    }
    let slug = slug.trim_matches('-');
    if slug.is_empty() { "picture".into() } else { slug.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        write_whole(&path, b"old").unwrap();
        let full = || io::Error::from(ErrorKind::StorageFull);
        let fill = |file: &mut File| file.write_all(b"ne").and(Err(full()));
        let error = write_and_place(folder.path(), fill, |temporary| fs::rename(temporary, &path)).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.png"]);
        assert!(explain("save", &path, &error).message.contains("Free some space"));
    }

    #[test]
    fn only_orphans_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".kiln-writing-1-0"), b"dead").unwrap();
        let alive = File::create(folder.path().join(".kiln-writing-2-0")).unwrap();
        alive.lock().unwrap();
        fs::write(folder.path().join("b.png"), b"kept").unwrap();
        assert_eq!(sweep(folder.path()), 1);
        assert_eq!(names(folder.path()), [".kiln-writing-2-0", "b.png"]);
    }

    #[test]
    fn files_are_written_while_others_sweep() {
        let folder = tempfile::tempdir().unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        sweep(folder.path());
                    }
                });
            }
            let written = (0..200).try_for_each(|_| write_new(folder.path(), "x", "png", b"new").map(drop));
            done.store(true, Ordering::Relaxed);
            written.unwrap();
        });
        assert_eq!(names(folder.path()).iter().filter(|name| name.ends_with(".png")).count(), 200);
    }

    #[test]
    fn names_are_free_and_plain() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x.png"), b"").unwrap();
        assert_eq!(free_name(folder.path(), "x", "png"), folder.path().join("x-2.png"));
        let made: Vec<_> = std::thread::scope(|scope| {
            let write = || write_new(folder.path(), "x", "png", b"new").unwrap();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(write)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(made.iter().collect::<std::collections::BTreeSet<_>>().len(), 8);
        assert_eq!(fs::read(folder.path().join("x.png")).unwrap(), b"");
        assert_eq!(names(folder.path()).len(), 9);
        assert_eq!(slug("A red fox, ../calm!"), "a-red-fox-calm");
        assert_eq!(slug("…"), "picture");
    }
}
