//! Writes what the radio hears into a file, for so many seconds: `serve FILE SECONDS [active] [timing=100,50] [phys=1M,CODED]
//! [silence=3] [adapter=00:AA:…] [state=FOLDER]`. Notes are printed.

use std::error::Error;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use gateway_core::btsnoop::{self, PacketKind, SnoopFault};
use radio::{Phys, RadioSettings, ScanMode, ScanTiming};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, seconds, options @ ..] = &arguments[..] else { return Err("serve FILE SECONDS [option…]".into()) };
    let mut settings = RadioSettings::default();
    for option in options {
        match option.split_once('=').unwrap_or((option, "")) {
            ("active", _) => settings.plan.mode = ScanMode::Active,
            ("timing", times) => {
                let (interval, window) = times.split_once(',').ok_or("timing=INTERVAL,WINDOW in milliseconds")?;
                let [interval, window] = [interval, window].map(|time| time.parse().map(Duration::from_millis));
                settings.plan.timing = Some(ScanTiming::new(interval?, window?)?);
            }
            ("phys", names) => settings.plan.phys = Some(Phys::from_names(&names.split(',').collect::<Vec<_>>())?),
            ("silence", silence) => settings.plan.silence = Duration::from_secs(silence.parse()?),
            ("adapter", address) => settings.plan.adapters.push(address.parse()?),
            ("state", folder) => settings.state = Some(folder.into()),
            ("noreset", _) => settings.plan.may_reset = false,
            (other, _) => return Err(format!("what is {other}?").into()),
        }
    }
    for adapter in radio::adapters()? {
        println!("{adapter:?}");
    }
    let (theirs, mut ours) = UnixStream::pair()?;
    let served = thread::spawn(move || radio::serve(&settings, theirs));
    let until = Instant::now() + Duration::from_secs(seconds.parse()?);
    ours.set_read_timeout(Some(Duration::from_millis(100)))?;
    let (mut file, begun) = (File::create(file)?, Instant::now());
    let (mut stream, mut done) = (Vec::new(), 16);
    let mut buffer = vec![0; 65536];
    while Instant::now() < until && !served.is_finished() {
        let Ok(bytes) = ours.read(&mut buffer) else { continue };
        file.write_all(&buffer[..bytes])?;
        stream.extend_from_slice(&buffer[..bytes]);
        // What is read is cut off behind the file header, so that the rest reads as a recording again.
        if stream.len() > 16 {
            for record in btsnoop::records(&stream)? {
                match record {
                    Err(SnoopFault::Cut { .. }) => break,
                    Err(fault) => return Err(fault.into()),
                    Ok(record) => {
                        done = record.offset + 24 + record.data.len();
                        if record.kind == PacketKind::Note {
                            println!("{:7.2} {:?}", begun.elapsed().as_secs_f32(), btsnoop::note(record.data));
                        } else if record.kind != PacketKind::Event {
                            println!("{:7.2} {:?} {:?}", begun.elapsed().as_secs_f32(), record.kind, record.adapter);
                        }
                    }
                }
            }
            stream.drain(16..done);
            done = 16;
        }
    }
    drop(ours);
    served.join().map_err(|_| "the radio panicked")??;
    Ok(())
}
