//! PyTorch beside a benchmark: a child process that is asked a line and answers with seconds.

#[allow(dead_code)] // not every benchmark speaks of the peak
pub mod speed;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Rest before either program is measured: OpenMP's threads go on spinning for some milliseconds after their work, on the cores
/// that Kiln is measured on next.
const SETTLING: Duration = Duration::from_millis(60);

/// The other program.
pub struct Torch {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Torch {
    /// Starts a script of this folder; returns it with the line that it greets with. `None` when that Python cannot run it.
    pub fn start(python: &str, script: &str, arguments: &[&str]) -> Option<(Self, String)> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches").join(script);
        let mut child = Command::new(python)
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let ask = child.stdin.take()?;
        let answers = BufReader::new(child.stdout.take()?);
        let mut torch = Self { child, ask, answers };
        let greeting = torch.line()?;
        (!greeting.is_empty()).then_some((torch, greeting))
    }

    /// The seconds that it answers, after which it is at rest; none when it has ended.
    pub fn seconds(&mut self, question: &str) -> Vec<f64> {
        std::thread::sleep(SETTLING);
        let answer = writeln!(self.ask, "{question}").ok().and_then(|()| self.line()).unwrap_or_default();
        std::thread::sleep(SETTLING);
        answer.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    }

    /// Its peak of resident memory in bytes, where the system tells.
    #[allow(dead_code)]
    pub fn peak_memory(&self) -> Option<u64> {
        peak_memory(&self.child.id().to_string())
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line).ok()?;
        Some(line.trim().to_string())
    }
}

impl Drop for Torch {
    fn drop(&mut self) {
        // Whatever it is doing, the benchmark is over.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The peak of resident memory of a process (`self`, or a number) in bytes; only Linux tells.
pub fn peak_memory(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The value behind an argument such as `--rounds`.
pub fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

/// Starts as many threads as `--threads` says, else one a core; returns how many of how many.
pub fn threads() -> kiln::Result<(usize, usize)> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads = argument("--threads").and_then(|v| v.parse().ok()).unwrap_or(cores);
    let started = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    started.map_err(|e| kiln::Error::failed(format!("{threads} threads could not be started: {e}.")))?;
    Ok((threads, cores))
}

/// The middle of some measurements.
pub fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
