//! Proof of the library: what goes in comes out again, also after a kill, a damaged index, and files moved by hand.

use super::*;
use crate::ErrorKind;
use crate::recipe::Picture;
use std::fs;

fn picture(prompt: &str, seed: u64) -> Picture {
    let (width, height) = (40, 20);
    let rgb = (0..width * height).flat_map(|i| [(i % 256) as u8, (seed % 256) as u8, 7]).collect();
    let recipe = Recipe { prompt: prompt.into(), seed, width, height, ..Recipe::default() };
    Picture { width, height, rgb, recipe, seconds: 0.5 }
}

fn open(folder: &Path) -> Library {
    let (library, notices) = Library::open(folder).unwrap();
    assert_eq!(notices, Vec::<String>::new());
    library
}

fn ids(library: &Library, query: Query) -> Vec<PictureId> {
    assert_eq!(library.count(&query).unwrap(), library.list(&query).unwrap().len());
    library.list(&query).unwrap().iter().map(|e| e.id).collect()
}

fn text(text: &str) -> Query {
    Query { text: text.into(), sort: Sort::Oldest, ..Query::default() }
}

#[test]
fn everything_is_there_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let library = open(&folder.path().join("new/library"));
    let a = library.add(&picture("a red fox", u64::MAX)).unwrap();
    let b = library.add(&picture("a red fox", u64::MAX)).unwrap();
    library.rate(a.id, 4).unwrap();
    library.favourite(b.id, true).unwrap();
    library.reject(a.id, true).unwrap();
    library.set_tags(a.id, &["poster", " blue ", "poster", ""]).unwrap();
    library.compare(b.id, a.id).unwrap();
    drop(library);
    let library = open(&folder.path().join("new/library"));
    let back = library.get(a.id).unwrap();
    assert_eq!(back.recipe, picture("a red fox", u64::MAX).recipe);
    assert_eq!((back.rating, back.favourite, back.rejected, back.seconds), (4, false, true, 0.5));
    assert_eq!(back.tags, ["blue", "poster"]);
    assert_eq!(back.path, a.path);
    assert!(library.get(b.id).unwrap().favourite);
    assert_eq!(library.comparisons().unwrap().iter().map(|c| (c.winner, c.loser)).collect::<Vec<_>>(), [(b.id, a.id)]);
    assert_eq!(library.picture(a.id).unwrap(), picture("a red fox", u64::MAX));
    assert_eq!(library.all_tags().unwrap(), ["blue", "poster"]);
}

#[test]
fn pictures_are_found_by_words_marks_and_order() {
    let folder = tempfile::tempdir().unwrap();
    let library = open(folder.path());
    let fox = library.add(&picture("a red fox in front of misty mountains", 1)).unwrap().id;
    let sea = library.add(&picture("stormy sea, café style", 2)).unwrap().id;
    let mut tiles = picture("blue tiles", 3);
    tiles.recipe.sliders.insert("family:truchet".into(), 0.5);
    let tiles = library.add(&tiles).unwrap().id;
    assert_eq!(ids(&library, Query::default()), [tiles, sea, fox]);
    assert_eq!(ids(&library, text("mountain RED")), [fox]);
    assert_eq!(ids(&library, text("cafe")), [sea]);
    assert_eq!(ids(&library, text("-fox")), [sea, tiles]);
    assert_eq!(ids(&library, text("\"red fox\"")), [fox]);
    assert_eq!(ids(&library, text("\"fox red\"")), [0i64; 0]);
    for odd in ["\"", "* OR (", "NEAR(", "a'); DROP TABLE pictures;--", "-", "\0", "prompt:x^2"] {
        let _ = ids(&library, text(odd));
    }
    library.set_tags(sea, &["For Anna"]).unwrap();
    assert_eq!(ids(&library, text("anna")), [sea]);
    assert_eq!(ids(&library, Query { tag: Some("For Anna".into()), ..Query::default() }), [sea]);
    library.set_tags(sea, &[] as &[&str]).unwrap();
    assert_eq!(ids(&library, text("anna")), [0i64; 0]);
    assert_eq!(ids(&library, Query { family: Some("truchet".into()), ..Query::default() }), [tiles]);
    assert_eq!(ids(&library, Query { family: Some("family:mountains".into()), ..Query::default() }), [fox]);
    library.rate(fox, 5).unwrap();
    library.rate(sea, 3).unwrap();
    library.favourite(sea, true).unwrap();
    assert_eq!(ids(&library, Query { sort: Sort::Best, ..Query::default() }), [fox, sea, tiles]);
    assert_eq!(ids(&library, Query { min_rating: 4, ..Query::default() }), [fox]);
    assert_eq!(ids(&library, Query { favourite: true, ..Query::default() }), [sea]);
    library.reject(tiles, true).unwrap();
    assert_eq!(ids(&library, Query { hide_rejected: true, ..Query::default() }), [sea, fox]);
    let page = Query { limit: Some(1), offset: 1, ..Query::default() };
    assert_eq!(library.list(&page).unwrap()[0].id, sea);
    assert_eq!(library.count(&page).unwrap(), 3);
}

#[test]
fn a_deleted_picture_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let library = open(folder.path());
    let entry = library.add(&picture("wave", 1)).unwrap();
    library.rate(entry.id, 5).unwrap();
    library.delete(entry.id).unwrap();
    library.delete(entry.id).unwrap();
    assert!(!entry.path.exists());
    assert_eq!(ids(&library, Query::default()), [0i64; 0]);
    assert_eq!(ids(&library, Query { trashed: true, ..Query::default() }), [entry.id]);
    drop(library);
    let library = open(folder.path());
    library.restore(entry.id).unwrap();
    assert_eq!(library.get(entry.id).unwrap().rating, 5);
    assert_eq!(library.picture(entry.id).unwrap(), picture("wave", 1));
    library.delete(entry.id).unwrap();
    assert_eq!(library.empty_trash().unwrap(), 1);
    assert!(library.get(entry.id).is_err());
    assert_eq!(fs::read_dir(folder.path().join(TRASH)).unwrap().count(), 0);
}

/// The instants at which a kill can fall: while writing, between rename and row, between moving and noting it.
#[test]
fn a_kill_loses_no_finished_picture() {
    let folder = tempfile::tempdir().unwrap();
    let library = open(folder.path());
    let kept = library.add(&picture("kept", 1)).unwrap();
    let moved = library.add(&picture("moved", 2)).unwrap();
    drop(library);
    fs::write(folder.path().join(".kiln-writing-99-0"), b"\x89PNG half").unwrap();
    fs::write(folder.path().join("no-row.png"), metadata::encode_png(&picture("no row", 3)).unwrap()).unwrap();
    fs::write(folder.path().join("damaged.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    let trash = folder.path().join(TRASH).join(moved.path.file_name().unwrap());
    fs::rename(&moved.path, trash).unwrap();
    let (library, notices) = Library::open(folder.path()).unwrap();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].starts_with("1 pictures that were not in"), "{notices:?}");
    let found = library.list(&text("")).unwrap();
    assert_eq!(
        found.iter().map(|e| e.recipe.prompt.as_str()).collect::<std::collections::BTreeSet<_>>(),
        ["kept", "no row"].into()
    );
    assert!(library.get(moved.id).unwrap().trashed);
    assert!(!folder.path().join(".kiln-writing-99-0").exists());
    assert!(folder.path().join("damaged.png").exists(), "what is not understood is not touched");
    drop(library);
    fs::remove_file(&kept.path).unwrap();
    let (library, notices) = Library::open(folder.path()).unwrap();
    assert!(notices[0].contains("no longer"), "{notices:?}");
    assert_eq!(library.list(&text("kept")).unwrap(), []);
    fs::write(&kept.path, metadata::encode_png(&picture("kept", 1)).unwrap()).unwrap();
    drop(library);
    assert_eq!(ids(&open(folder.path()), text("kept")), [kept.id]);
}

#[test]
fn a_damaged_index_is_set_aside_and_made_again() {
    for damage in ["garbage", "middle", "columns", "empty"] {
        let folder = tempfile::tempdir().unwrap();
        let library = open(folder.path());
        for seed in 0..40 {
            let entry = library.add(&picture(&format!("number {seed} {}", "word ".repeat(200)), seed)).unwrap();
            library.rate(entry.id, 3).unwrap();
        }
        library.delete(1).unwrap();
        drop(library);
        let index = folder.path().join(INDEX);
        let mut bytes = fs::read(&index).unwrap();
        match damage {
            "garbage" => bytes = b"this is no database at all, but it is long enough to look like one".repeat(9),
            "middle" => {
                let half = bytes.len() / 2;
                bytes[half..half + 8192].fill(0x5a);
            }
            "empty" => bytes.clear(),
            _ => {
                let other = rusqlite::Connection::open(&index).unwrap();
                other.execute_batch("ALTER TABLE pictures DROP COLUMN favourite").unwrap();
            }
        }
        if damage != "columns" {
            fs::write(&index, bytes).unwrap();
        }
        let (library, notices) = Library::open(folder.path()).unwrap();
        assert_eq!(library.count(&Query::default()).unwrap(), 39, "{damage}: {notices:?}");
        assert_eq!(library.count(&Query { trashed: true, ..Query::default() }).unwrap(), 1, "{damage}");
        assert_eq!(ids(&library, text("39")).len(), 1, "{damage}");
        if damage != "empty" {
            assert!(notices[0].contains("damaged") && notices[0].contains("kept as"), "{damage}: {notices:?}");
            let kept = fs::read_dir(folder.path()).unwrap().flatten();
            let kept = kept.filter(|e| e.file_name().to_string_lossy().starts_with("library-damaged"));
            assert!(kept.count() >= 1, "{damage}");
        }
        if damage == "middle" {
            assert!(notices[1].starts_with("Ratings and marks"), "{notices:?}");
            assert!(library.count(&Query { min_rating: 3, ..Query::default() }).unwrap() > 0);
        }
        drop(library);
        open(folder.path());
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let library = open(folder.path());
    let entry = library.add(&picture("x", 1)).unwrap();
    assert_eq!(library.rate(entry.id, 6).unwrap_err().kind, ErrorKind::Usage);
    assert_eq!(library.compare(entry.id, entry.id).unwrap_err().kind, ErrorKind::Usage);
    assert!(library.rate(77, 1).unwrap_err().message.contains("no picture 77"));
    assert!(library.compare(entry.id, 77).is_err() && library.set_tags(77, &["a"]).is_err());
    let mut bad = picture("x", 1);
    bad.rgb.pop();
    assert!(library.add(&bad).is_err());
    fs::remove_file(&entry.path).unwrap();
    for error in [
        library.thumbnail(entry.id, 10).unwrap_err(),
        library.export(&[entry.id], &folder.path().join("o.png"), ExportFormat::Png).unwrap_err(),
        library.delete(entry.id).unwrap_err(),
    ] {
        assert!(error.message.contains("not there any more"), "{error}");
    }
    // A folder that vanishes under an open library.
    let path = folder.path().join("gone");
    let library = open(&path);
    fs::remove_dir_all(&path).unwrap();
    let error = library.add(&picture("x", 1)).unwrap_err();
    assert!(error.message.contains("not there any more"), "{error}");
    fs::write(&path, b"a file").unwrap();
    assert!(Library::open(&path).is_err());
}

#[test]
fn a_newer_index_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let other = rusqlite::Connection::open(folder.path().join(INDEX)).unwrap();
    other.pragma_update(None, "user_version", 99).unwrap();
    drop(other);
    let before = fs::read(folder.path().join(INDEX)).unwrap();
    let Err(error) = Library::open(folder.path()) else { panic!("opened an index of a newer Kiln") };
    assert!(error.message.contains("newer Kiln"), "{error}");
    assert_eq!(fs::read(folder.path().join(INDEX)).unwrap(), before);
}

#[test]
fn two_programs_may_share_a_library() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let second = open(folder.path());
    let path = folder.path().to_path_buf();
    let adder = std::thread::spawn(move || {
        let library = Library::open(&path).unwrap().0;
        (0..20).for_each(|seed| drop(library.add(&picture("one", seed)).unwrap()));
    });
    for seed in 0..20 {
        first.add(&picture("two", seed)).unwrap();
        Library::open(folder.path()).unwrap();
    }
    adder.join().unwrap();
    assert_eq!(ids(&second, text("one")).len(), 20);
    assert_eq!(ids(&second, text("two")).len(), 20);
    assert_eq!(
        fs::read_dir(folder.path())
            .unwrap()
            .flatten()
            .filter(|e| e.path().extension().is_some_and(|e| e == "png"))
            .count(),
        40
    );
}

#[test]
fn thumbnails_fit_and_stay() {
    let folder = tempfile::tempdir().unwrap();
    let library = open(folder.path());
    let entry = library.add(&picture("x", 200)).unwrap();
    let small = library.thumbnail(entry.id, 10).unwrap();
    assert_eq!((small.width, small.height, small.rgb.len()), (10, 5, 150));
    assert!(small.rgb.as_chunks::<3>().0.iter().all(|p| p[1] == 200 && p[2] == 7));
    assert_eq!(library.thumbnail(entry.id, 400).unwrap().rgb, picture("x", 200).rgb);
    fs::remove_file(&entry.path).unwrap();
    assert!(std::sync::Arc::ptr_eq(&small, &library.thumbnail(entry.id, 10).unwrap()));
}

#[test]
fn exports_are_readable_and_replace_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let library = open(&folder.path().join("library"));
    let ids: Vec<_> = (0..2).map(|_| library.add(&picture("A fox!", 7)).unwrap().id).collect();
    let out = folder.path().join("out");
    for format in [ExportFormat::Png, ExportFormat::Jpeg { quality: 95 }, ExportFormat::WebP, ExportFormat::Tiff] {
        let written = library.export(&ids, &out, format).unwrap();
        let extension = format.extension();
        assert_eq!(written, [out.join(format!("a-fox-7.{extension}")), out.join(format!("a-fox-7-2.{extension}"))]);
        let back = read_picture(&written[1]).unwrap();
        let worst = back.rgb.iter().zip(&picture("", 7).rgb).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(worst <= if extension == "jpg" { 40 } else { 0 }, "{extension}: {worst}");
        if format != ExportFormat::Tiff {
            assert_eq!((back.recipe.seed, back.recipe.prompt.as_str()), (7, "A fox!"), "{extension}");
        }
    }
    let file = folder.path().join("one.jpg");
    let format = ExportFormat::from_path(&file).unwrap();
    assert_eq!(library.export(&ids[..1], &file, format).unwrap(), std::slice::from_ref(&file));
    assert_eq!(library.export(&ids, &file, ExportFormat::Png).unwrap_err().kind, ErrorKind::Usage);
    assert_eq!(library.export(&[], &out, ExportFormat::Png).unwrap_err().kind, ErrorKind::Usage);
}
