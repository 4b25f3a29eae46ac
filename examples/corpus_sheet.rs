//! A contact sheet of the painter's scenes: `cargo run --release --example corpus_sheet -- OBJECTS OUT.png [SEED [COLUMNS ROWS SIDE]]`.

use kiln::corpus::{Painter, sheet};
use std::path::Path;

fn main() -> kiln::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, default: u64| arguments.get(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    let [objects, out, ..] = arguments.as_slice() else {
        return Err(kiln::Error::usage("Give the folder of object pictures and the file to write."));
    };
    let painter = Painter::new(Some(Path::new(objects)))?;
    let (columns, rows, side) = (number(3, 8) as usize, number(4, 6) as usize, number(5, 160) as usize);
    let (rgb, width, height) = sheet::contact_sheet(&painter, number(2, 1), columns, rows, side);
    for i in 0..(columns * rows).min(12) {
        println!("{}", painter.paint(number(2, 1) + i as u64, 64).caption);
    }
    image::save_buffer(out, &rgb, width as u32, height as u32, image::ColorType::Rgb8)
        .map_err(|e| kiln::Error::io("write the sheet", Path::new(out), e))
}
