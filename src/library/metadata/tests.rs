//! Proof of the metadata: a trip there and back, texts of other tools, and bytes that mean no good.

use super::*;
use crate::recipe::{AdapterRef, FirstPass, MaskRef, ModelRef, Outpaint, SourceRef, Upscaler, Variation};
use image::ImageEncoder;
use proptest::prelude::*;
use std::io::Cursor;

fn picture(recipe: Recipe) -> Picture {
    let (width, height) = (16, 8);
    let rgb = (0..width * height * 3).map(|i| (i * 7 % 251) as u8).collect();
    Picture { width, height, rgb, recipe, seconds: 1.5 }
}

fn full_recipe() -> Recipe {
    Recipe {
        model: ModelRef { name: "ember".into(), hash: "0123456789abcdef".repeat(4) },
        adapters: vec![AdapterRef { name: "ink".into(), hash: "ab12".into(), weight: 0.75 }],
        prompt: "a red fox, \"calm\",\nSize: big: very, misty\nsecond line".into(),
        negative_prompt: "blur, \"noise\"\nhaze".into(),
        seed: u64::MAX,
        width: 320,
        height: 192,
        steps: 6,
        cfg_scale: 3.3,
        sampler: "dpmpp_2m_karras".into(),
        sliders: [("warmth".to_string(), 0.1f32), ("family:marbling".to_string(), 1.0)].into(),
        source: Some(SourceRef { path: "/a, b/\"c\".png".into(), hash: "ff".into(), denoising_strength: 0.65 }),
        mask: Some(MaskRef { path: "mask: 1.png".into(), hash: "ee".into(), keep_outside: false }),
        outpaint: Some(Outpaint { left: 16, top: 0, right: 32, bottom: 48 }),
        clip_skip: 2,
        cfg_rescale: 0.7,
        skip_early_cfg: 0.15,
        variation: Some(Variation { subseed: u64::MAX - 1, strength: 0.25 }),
        seamless: true,
        ..Recipe::default()
    }
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut bytes = (data.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(kind);
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(&[0; 4]);
    bytes
}

#[test]
fn the_fields_high_resolution_fix_is_a_first_pass() {
    let first_pass =
        Some(FirstPass { width: 320, height: 192, denoising_strength: 0.45, upscaler: Upscaler::LatentNearest });
    let twice =
        Recipe { width: 640, height: 384, first_pass, source: None, mask: None, outpaint: None, ..full_recipe() };
    let text = parameters::write(&twice);
    assert!(text.contains("Size: 320x192") && text.contains("Hires resize: 640x384"), "{text}");
    assert!(text.contains("Tiling: True") && text.contains("Denoising strength: 0.45"), "{text}");
    let found = parameters::read(&text, None).unwrap();
    assert_eq!((found.width, found.height, found.first_pass, found.seamless), (640, 384, first_pass, true));
    // As AUTOMATIC1111 writes a factor.
    let theirs = "a fox\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x768, Denoising strength: 0.7, \
                  Hires upscale: 1.5, Hires upscaler: Latent";
    let found = parameters::read(theirs, None).unwrap();
    let first = found.first_pass.map(|f| (f.width, f.height, f.denoising_strength, f.upscaler));
    assert_eq!((found.width, found.height, first), (768, 1152, Some((512, 768, 0.7, Upscaler::LatentBilinear))));
    for upscaler in Upscaler::ALL {
        let first_pass = first_pass.map(|f| FirstPass { upscaler, ..f });
        let text = parameters::write(&Recipe { first_pass, ..twice.clone() });
        assert!(text.contains(&format!("Hires upscaler: {}", upscaler.label())), "{text}");
        assert_eq!(parameters::read(&text, None).unwrap().first_pass, first_pass);
    }
    for (label, upscaler) in [
        ("R-ESRGAN 4x+", Upscaler::Lanczos),
        ("Latent (bicubic antialiased)", Upscaler::LatentBicubic),
        ("Latent (nearest-exact)", Upscaler::LatentNearest),
    ] {
        assert_eq!(Upscaler::from_label(label), upscaler);
    }
    // What nobody has to say is not written, so that pictures of before keep their bytes.
    let plain = Recipe { first_pass: first_pass.map(|f| FirstPass { upscaler: Upscaler::Lanczos, ..f }), ..twice };
    let json = plain.to_json().unwrap();
    assert!(!json.contains("upscaler") && Recipe::from_json(&json).unwrap() == plain, "{json}");
}

#[test]
fn a_png_gives_back_its_recipe_and_the_same_bytes_twice() {
    let first = picture(full_recipe());
    let mut second = first.clone();
    second.seconds = 99.0;
    let bytes = encode_png(&first).unwrap();
    assert_eq!(bytes, encode_png(&second).unwrap());
    let found = read(Cursor::new(&bytes)).unwrap();
    assert_eq!((found.width, found.height, found.exact), (16, 8, true));
    assert_eq!(found.recipe, Some(first.recipe));
    assert_eq!(image::load_from_memory(&bytes).unwrap().to_rgb8().into_raw(), first.rgb);
    // Another reader than ours sees both texts.
    let reader = png::Decoder::new(Cursor::new(&bytes)).read_info().unwrap();
    assert_eq!(reader.info().uncompressed_latin1_text[0].keyword, "parameters");
    assert_eq!(reader.info().utf8_text[0].keyword, "kiln");
}

#[test]
fn parameters_alone_carry_everything_that_the_form_can_hold() {
    let recipe = full_recipe();
    let text = parameters::write(&recipe);
    let mut expected = recipe;
    expected.model.hash.truncate(10);
    assert_eq!(parameters::read(&text, None), Some(expected));
}

#[test]
fn words_beyond_latin_1_survive() {
    let recipe = Recipe { prompt: "лиса в тумане, 山と狐 🦊".into(), ..Recipe::default() };
    let bytes = encode_png(&picture(recipe.clone())).unwrap();
    let found = read(Cursor::new(&bytes)).unwrap();
    assert_eq!(found.recipe.as_ref(), Some(&recipe));
    assert_eq!(parameters::read(&found.parameters.unwrap(), None).unwrap().prompt, recipe.prompt);
}

/// As the AUTOMATIC1111 wiki and its users' pictures show them.
#[test]
fn texts_of_other_tools_are_understood() {
    let text = "portrait of a woman, (masterpiece:1.2), <lora:add_detail:0.5> oil\nNegative prompt: lowres, bad hands,\n\
                text\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 965400086, Size: 512x768, \
                Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Denoising strength: 0.7, Hires upscale: 2, \
                Lora hashes: \"add_detail: 7c6bad76eb54\", TI hashes: \"a: 1, b: 2\", Version: v1.10.1";
    let recipe = parameters::read(text, None).unwrap();
    assert_eq!(recipe.prompt, "portrait of a woman, (masterpiece:1.2), oil");
    assert_eq!(recipe.negative_prompt, "lowres, bad hands,\ntext");
    assert_eq!((recipe.steps, recipe.seed, recipe.width, recipe.height), (20, 965_400_086, 1024, 1536));
    assert_eq!(recipe.first_pass.map(|f| (f.width, f.height)), Some((512, 768)));
    assert_eq!((recipe.sampler.as_str(), recipe.cfg_scale), ("dpmpp_2m_karras", 7.0));
    assert_eq!(recipe.model, ModelRef { name: "v1-5-pruned-emaonly".into(), hash: "6ce0161689".into() });
    let adapter = AdapterRef { name: "add_detail".into(), hash: "7c6bad76eb54".into(), weight: 0.5 };
    assert_eq!(recipe.adapters, [adapter]);
    assert_eq!(recipe.source, None, "the form does not say which picture it began with");
    let old = parameters::read("x\nSteps: 5, Sampler: DPM++ 2M Karras, Seed: nope, CFG scale: inf", Some((64, 32)));
    let old = old.unwrap();
    assert_eq!((old.sampler.as_str(), old.width, old.height, old.cfg_scale), ("dpmpp_2m_karras", 64, 32, 3.0));
    assert_eq!(parameters::read("only words, no pairs", None), None);
}

#[test]
fn a_compressed_text_is_read() {
    let recipe = Recipe { prompt: "a wave".into(), ..Recipe::default() };
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.add_ztxt_chunk("parameters".into(), parameters::write(&recipe)).unwrap();
    encoder.write_header().unwrap().write_image_data(&[0; 3]).unwrap();
    let found = read(Cursor::new(&bytes)).unwrap().recipe.unwrap();
    assert_eq!(found.prompt, "a wave");
}

#[test]
fn jpeg_and_webp_carry_the_parameters() {
    let picture = picture(full_recipe());
    let text = parameters::write(&picture.recipe);
    let block = exif::write(&text).unwrap();
    let (mut jpeg, mut webp) = (Vec::new(), Vec::new());
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 90);
    encoder.set_exif_metadata(block.clone()).unwrap();
    encoder.write_image(&picture.rgb, 16, 8, image::ExtendedColorType::Rgb8).unwrap();
    let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut webp);
    encoder.set_exif_metadata(block).unwrap();
    encoder.write_image(&picture.rgb, 16, 8, image::ExtendedColorType::Rgb8).unwrap();
    for bytes in [jpeg, webp] {
        let found = read(Cursor::new(&bytes)).unwrap();
        assert_eq!(found.parameters.as_deref(), Some(text.as_str()));
        assert_eq!(found.recipe.unwrap().seed, u64::MAX);
    }
    assert_eq!(exif::write(&"x".repeat(40_000)), None);
}

#[test]
fn a_newer_recipe_is_refused_in_words() {
    let json = Recipe::default().to_json().unwrap().replace("\"version\":1", "\"version\":9");
    let mut data = b"kiln\0\0\0\0\0".to_vec();
    data.extend_from_slice(json.as_bytes());
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.extend(chunk(b"iTXt", &data));
    let error = read(Cursor::new(&bytes)).unwrap_err();
    assert!(error.message.contains("newer Kiln"), "{error}");
}

/// Chunks that name sizes they do not have must not be believed.
#[test]
fn a_boasting_chunk_allocates_nothing() {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for kind in [b"tEXt", b"iTXt", b"zTXt"] {
        bytes.extend_from_slice(&u32::MAX.to_be_bytes());
        bytes.extend_from_slice(kind);
    }
    assert_eq!(read(Cursor::new(&bytes)).unwrap().recipe, None);
}

fn words() -> impl Strategy<Value = String> {
    // Any characters but those that `clean` folds (NUL, CR), at both ends something that is no white space.
    "[a-zé狐<:\",\\\\(]([^\\x00\\r]{0,40}[a-z狐\",>)])?".prop_filter("the form itself cannot hold these", |s| {
        !s.contains("<lora:")
            && s.lines()
                .all(|l| !l.trim_start().starts_with("Negative prompt:") && !l.trim_start().starts_with("Steps:"))
            && !s.contains(['\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'])
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_forms_give_back_any_recipe(
        prompt in words(), negative in words(), model in words(), path in words(), seed in any::<u64>(),
        cfg in -1e9f32..1e9, value in -1e3f32..1e3, steps in 1u32..=200,
    ) {
        let recipe = Recipe {
            prompt, negative_prompt: negative, seed, steps, cfg_scale: cfg,
            model: ModelRef { name: model, hash: String::new() },
            sliders: [("symmetry".to_string(), value)].into(),
            source: Some(SourceRef { path, hash: String::new(), denoising_strength: 0.5 }),
            ..Recipe::default()
        };
        prop_assert_eq!(parameters::read(&parameters::write(&recipe), None), Some(recipe.clone()));
        let found = read(Cursor::new(encode_png(&picture(recipe.clone())).unwrap())).unwrap();
        prop_assert_eq!(found.recipe, Some(recipe));
    }

    #[test]
    fn any_text_is_answered(text in "(?s).{0,200}(\nSteps: .{0,100})?") {
        let _ = parameters::read(&text, Some((1, 1)));
        let _ = Recipe::from_json(&text);
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0usize..4) {
        let magic: &[u8] = [&b"\x89PNG\r\n\x1a\n"[..], b"\xff\xd8\xff\xe1", b"RIFF\0\0\0\0WEBPEXIF", b""][kind];
        let _ = read(Cursor::new([magic, &bytes].concat()));
        let _ = exif::read(&bytes);
        let _ = exif::read(&[b"MM\0\x2a\0\0\0\x08", &bytes[..]].concat());
    }

    #[test]
    fn any_chunk_is_answered(
        bytes in proptest::collection::vec(any::<u8>(), 0..100), kind in 0usize..4, key in 0usize..3,
    ) {
        let kind = [b"tEXt", b"iTXt", b"zTXt", b"IHDR"][kind];
        let key: &[u8] = [&b"kiln\0"[..], b"parameters\0\0\0\0\0", b""][key];
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        png.extend(chunk(kind, &[key, &bytes].concat()));
        let _ = read(Cursor::new(png));
    }

    #[test]
    fn a_damaged_picture_is_answered(at in 0usize..2000, byte in any::<u8>(), cut in 0usize..2000) {
        let mut bytes = encode_png(&picture(full_recipe())).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = read(Cursor::new(&bytes));
        bytes.truncate(cut);
        let _ = read(Cursor::new(&bytes));
    }
}
