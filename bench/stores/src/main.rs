//! One workload, several stores. See README.md for the commands.

mod append;
mod damage;
mod engine;
mod meter;
#[cfg(feature = "fjall")]
mod on_fjall;
#[cfg(feature = "nightjar")]
mod on_nightjar;
#[cfg(feature = "redb")]
mod on_redb;
#[cfg(feature = "sqlite")]
mod on_sqlite;
mod workload;

use std::path::Path;
use std::time::{Duration, Instant};

use engine::{open, said};
use meter::Meter;

fn main() -> std::process::ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["base", name, dir] => open(name, Path::new(dir)).and_then(|mut store| workload::base(&mut *store)),
        ["run", name, dir, commit, fanout, how, publishes, seconds] => {
            run(name, Path::new(dir), [commit, publishes, seconds, fanout].map(number), how == "once")
        }
        ["fill", name, dir, sessions, queued] => fill(name, Path::new(dir), number(sessions), number(queued)),
        ["start", name, dir] => start(name, Path::new(dir)),
        ["prepare", name, dir] => damage::prepare(name, Path::new(dir)),
        ["check", name, dir] => damage::check(name, Path::new(dir)),
        ["damage", name, dir, tries] => damage::damage(name, Path::new(dir), number(tries)),
        ["fsync", dir, times] => fsync(Path::new(dir), number(times)),
        _ => Err("see README.md for the commands".into()),
    };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            std::process::ExitCode::from(1)
        }
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

/// Publishes in synced commits, as many as asked or for as long as asked, whichever ends first.
fn run(name: &str, dir: &Path, [commit, publishes, seconds, fanout]: [u64; 4], is_shared: bool) -> Result<(), String> {
    let mut store = open(name, dir)?;
    let mut churn = workload::Churn::new(workload::SESSIONS, fanout, is_shared);
    let mut ops = Vec::new();
    let mut done = 0;
    let mut commits = Vec::new();
    let meter = Meter::begin();
    let until = Instant::now() + Duration::from_secs(seconds);
    while done < publishes && Instant::now() < until {
        ops.clear();
        for _ in 0..commit {
            churn.publish(&mut ops);
        }
        let begun = Instant::now();
        store.commit(&ops, true)?;
        commits.push(begun.elapsed().as_micros());
        done += commit;
    }
    let taken = meter.end();
    drop(store);
    commits.sort_unstable();
    println!(
        "run\t{name}\t{commit}\t{fanout}\t{}\t{done}\t{:.0}\t{:.2}\t{:.2}\t{}\t{}\t{}",
        if is_shared { "once" } else { "each" },
        done as f64 / taken.seconds,
        taken.cpu_us as f64 / done as f64,
        taken.written as f64 / (done as f64 * workload::PAYLOAD_BYTES as f64),
        commits[commits.len() / 2],
        commits[commits.len() * 99 / 100],
        meter::peak_kib(),
    );
    Ok(())
}

fn fill(name: &str, dir: &Path, sessions: u64, queued: u64) -> Result<(), String> {
    let mut store = open(name, dir)?;
    let meter = Meter::begin();
    workload::fill(&mut *store, sessions, 10_000, queued)?;
    let taken = meter.end();
    println!("fill\t{name}\t{:.2}\t{:.2}\t{}", taken.seconds, taken.cpu_us as f64 / 1e6, taken.written >> 20);
    // SAFETY: ends the process as a crash would: nothing is tidied up.
    unsafe { libc::_exit(0) }
}

/// Opens the store and reads all of it, as a broker that starts.
fn start(name: &str, dir: &Path) -> Result<(), String> {
    let meter = Meter::begin();
    let mut store = open(name, dir)?;
    let (mut records, mut bytes) = (0_u64, 0);
    store.each(&mut |key, value| {
        records += 1;
        bytes += key.len() + value.len();
    })?;
    let taken = meter.end();
    println!(
        "start\t{name}\t{:.2}\t{:.2}\t{records}\t{}\t{}",
        taken.seconds,
        taken.cpu_us as f64 / 1e6,
        bytes >> 20,
        meter::peak_kib()
    );
    // SAFETY: as above.
    unsafe { libc::_exit(0) }
}

/// What one `fdatasync` takes after an append of so many bytes.
fn fsync(dir: &Path, times: u64) -> Result<(), String> {
    use std::io::Write as _;
    std::fs::create_dir_all(dir).map_err(said)?;
    let path = dir.join("fsync");
    let mut file = std::fs::File::create(&path).map_err(said)?;
    for bytes in [400_usize, 8_000, 80_000] {
        let block = vec![7_u8; bytes];
        let mut took = Vec::new();
        for _ in 0..times {
            file.write_all(&block).map_err(said)?;
            let begun = Instant::now();
            file.sync_data().map_err(said)?;
            took.push(begun.elapsed().as_micros());
        }
        took.sort_unstable();
        println!("fsync\t{bytes}\t{}\t{}\t{}", took[0], took[took.len() / 2], took[took.len() * 99 / 100]);
    }
    std::fs::remove_file(path).map_err(said)
}
