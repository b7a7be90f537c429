//! What a stretch of work took of the machine: time, processor, bytes given to the disk, memory.

use std::time::Instant;

pub struct Meter {
    begun: Instant,
    cpu_us: u64,
    written: u64,
}

pub struct Taken {
    pub seconds: f64,
    pub cpu_us: u64,
    pub written: u64,
}

impl Meter {
    pub fn begin() -> Self {
        Self { begun: Instant::now(), cpu_us: cpu_us(), written: field("/proc/self/io", "write_bytes:") }
    }

    pub fn end(&self) -> Taken {
        Taken {
            seconds: self.begun.elapsed().as_secs_f64(),
            cpu_us: cpu_us() - self.cpu_us,
            written: field("/proc/self/io", "write_bytes:") - self.written,
        }
    }
}

/// The most memory that the process ever had, in KiB.
pub fn peak_kib() -> u64 {
    field("/proc/self/status", "VmHWM:")
}

fn field(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn cpu_us() -> u64 {
    // SAFETY: `getrusage` fills the structure it is given; all zeroes is a valid one.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    [usage.ru_utime, usage.ru_stime].iter().map(|time| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64).sum()
}
