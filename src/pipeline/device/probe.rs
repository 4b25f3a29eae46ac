//! First contact with a GPU, in a process of its own: what it is, whether it computes rightly, and whether it is faster.

use super::Chosen;
use crate::kernels;
use crate::{Error, Result};
use burn::tensor::{Device, DeviceKind, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The hidden argument of the program that makes it the probe; a second one, [`ALL`], has software tried, too.
pub const ARGUMENT: &str = "--probe-gpu";
/// Tries what nobody would use unasked.
pub const ALL: &str = "--software-too";
/// Longest that a probe may take; the first compilation of its kernels is slow.
const PATIENCE: Duration = Duration::from_secs(180);
/// How much faster than the CPU a GPU must be, to be worth its warm-up.
const FASTER: f64 = 1.2;
/// Largest error against the CPU, relative to the largest number.
const RIGHT: f32 = 2e-3;

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The adapter's name.
    pub name: String,
    /// Whether it is a program that plays a GPU on the CPU.
    pub software: bool,
    /// Largest error against the CPU, relative to the largest number of each answer.
    pub error: f32,
    /// Seconds of one round on the CPU.
    pub cpu: f64,
    /// Seconds of one round on the GPU, warm.
    pub gpu: f64,
    /// Seconds until the first round was done.
    pub warm_up: f64,
}

impl Report {
    /// Whether it computes rightly.
    pub fn is_right(&self) -> bool {
        self.error.is_finite() && self.error < RIGHT
    }

    /// Whether it is to be used unasked.
    pub fn wins(&self) -> bool {
        self.is_right() && !self.software && self.gpu * FASTER < self.cpu
    }

    /// Why it is not used unasked; `None` for what nobody would expect to be used.
    pub fn why_not(&self) -> Option<String> {
        if !self.is_right() {
            return Some(format!("The GPU ({}) gives wrong answers, so Kiln computes on the CPU.", self.name));
        }
        (!self.software && !self.wins()).then(|| format!("The GPU ({}) is slower here than the CPU.", self.name))
    }

    /// The device itself.
    pub fn chosen(&self) -> Chosen {
        let notice = self.software.then(|| format!("{} plays a GPU on the CPU, and is slow.", self.name));
        Chosen { device: device(), name: format!("GPU, {}", self.name), notice }
    }
}

fn device() -> Device {
    keep_tuning();
    Device::wgpu(DeviceKind::DefaultDevice)
}

/// What was found out about the fastest kernels is kept between starts, in the person's cache folder.
fn keep_tuning() {
    use burn::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig, cache};
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let mut config = CubeClRuntimeConfig::default().override_from_env();
        if let Some(folders) = directories::ProjectDirs::from("", "", "kiln") {
            config.environment.path = cache::CacheConfig::Directory(folders.cache_dir().into());
        }
        CubeClRuntimeConfig::try_set(config);
    });
}

/// Asks once a process. Software that plays a GPU is only tried when it is `wanted`: that takes minutes.
///
/// # Errors
/// When there is no GPU, its driver crashed, or it did not answer in time.
pub fn ask(wanted: bool) -> Result<Report> {
    static KNOWN: Mutex<Option<Result<Report>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    known.get_or_insert_with(|| in_a_process(wanted)).clone()
}

fn in_a_process(wanted: bool) -> Result<Report> {
    let program =
        std::env::current_exe().map_err(|e| Error::failed(format!("Kiln cannot find its own program: {e}.")))?;
    if program.file_stem().is_none_or(|name| name != "kiln") {
        return Err(Error::failed("A GPU is only looked for by the kiln program."));
    }
    let mut child = Command::new(program)
        .arg(ARGUMENT)
        .args(wanted.then_some(ALL))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| Error::failed(format!("The probe of the GPU could not be started: {e}.")))?;
    let began = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(Error::failed("The GPU did not answer in time; use --device cpu."));
            }
        }
    };
    let mut said = String::new();
    if let Some(mut out) = child.stdout.take() {
        let _ = out.read_to_string(&mut said);
    }
    match serde_json::from_str(said.lines().last().unwrap_or_default()) {
        Ok(report) => Ok(report),
        Err(_) if status.success() => Err(Error::failed("There is no GPU that Kiln can use; use --device cpu.")),
        Err(_) => Err(Error::failed(format!(
            "The GPU's driver broke down when it was tried ({status}), so it is not used; a newer driver may help."
        ))),
    }
}

/// What the probe's process does: prints a [`Report`] as one line of JSON, or nothing where there is no GPU.
pub fn run(software_too: bool) {
    let Some((name, software)) = adapter() else { return };
    if software && !software_too {
        return;
    }
    let cpu = Device::flex();
    let (truth, _) = round(&cpu);
    let (_, seconds_cpu) = round(&cpu);
    let gpu = device();
    let began = Instant::now();
    let (answers, _) = round(&gpu);
    let warm_up = began.elapsed().as_secs_f64();
    let (again, first) = round(&gpu);
    let (_, second) = round(&gpu);
    let far = |a: &[f32], b: &[f32]| {
        let size = b.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
        a.iter()
            .zip(b)
            .fold(0.0f32, |m, (a, b)| if a.is_finite() { m.max((a - b).abs() / size) } else { f32::INFINITY })
    };
    let error = answers
        .iter()
        .chain(&again)
        .zip(truth.iter().chain(&truth))
        .fold(0.0f32, |m, (a, t)| if a.len() == t.len() { m.max(far(a, t)) } else { f32::INFINITY });
    let report = Report { name, software, error, cpu: seconds_cpu, gpu: first.min(second), warm_up };
    if let Ok(line) = serde_json::to_string(&report) {
        println!("{line}");
    }
}

/// The adapter that burn takes, and whether it is software.
fn adapter() -> Option<(String, bool)> {
    let name = device().identity()?.name;
    let software = ["llvmpipe", "lavapipe", "swiftshader", "basic render", "software"];
    let low = name.to_lowercase();
    Some((name, software.iter().any(|s| low.contains(s))))
}

/// The operations of a denoiser's block at the size of a picture: convolution, normalisation, products, attention. Answers
/// and seconds.
fn round(device: &Device) -> (Vec<Vec<f32>>, f64) {
    let numbers = |n: usize, scale: f32| -> Vec<f32> {
        (0..n).map(|i| (((i * 7919 + 13) % 1009) as f32 / 504.5 - 1.0) * scale).collect()
    };
    let tensor = |n: &[usize], scale: f32| TensorData::new(numbers(n.iter().product(), scale), n.to_vec());
    let x = Tensor::<4>::from_data(tensor(&[2, 32, 32, 128], 1.0), device);
    let kernel = Tensor::<4>::from_data(tensor(&[3, 3, 128, 128], 0.05), device);
    let matrix = Tensor::<2>::from_data(tensor(&[128, 128], 0.1), device);
    let began = Instant::now();
    let y = kernels::conv2d(x, kernel, None, 1, (1, 1));
    let y = kernels::silu(y);
    let [n, h, w, c] = y.dims();
    let rows = y.clone().reshape([n, h * w, c]);
    let z = kernels::linear(rows, matrix, None);
    let read = |t: Tensor<3>| t.into_data().try_into_vec::<f32>().unwrap_or_default();
    let weights = burn::tensor::activation::softmax(z.clone().matmul(z.clone().transpose()) * 0.05, 2);
    let out = read(weights.matmul(z.clone()));
    let answers = vec![read(z), out];
    (answers, began.elapsed().as_secs_f64())
}
