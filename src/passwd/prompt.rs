//! Asking for a new password: twice, without showing it; or two lines from a pipe.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::unix::net::UnixStream;
use std::process;

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::{PASSWORD_BYTES_MAX, PasswdFault};

/// The exit status after Ctrl-C, as a shell has it.
const INTERRUPTED: i32 = 130;

/// Asks twice; what is read from a pipe is read in the same way.
pub(super) fn new_password() -> Result<Vec<u8>, PasswdFault> {
    let first = ask("Password: ")?;
    if first.is_empty() {
        return Err(PasswdFault::EmptyPassword);
    }
    let second = ask("Reenter password: ")?;
    match second {
        second if second.is_empty() => Err(PasswdFault::EmptyPassword),
        second if second == first => Ok(first),
        _ => Err(PasswdFault::PasswordsDiffer),
    }
}

fn ask(prompt: &str) -> Result<Vec<u8>, PasswdFault> {
    let fault = |error| PasswdFault::Machine { what: "Unable to read the password", error };
    let hidden = if io::stdin().is_terminal() { Some(Hidden::start().map_err(fault)?) } else { None };
    // Not on standard output, which may be the password file (-c -).
    let mut out = io::stderr();
    out.write_all(prompt.as_bytes()).and_then(|()| out.flush()).map_err(fault)?;
    let line = read_line(&mut io::stdin().lock()).map_err(fault);
    if let Some(hidden) = hidden {
        drop(hidden);
        // The Enter that was typed was not shown either.
        let _ = out.write_all(b"\n");
    }
    line
}

/// A line without its end, at most one byte longer than a password may be.
fn read_line(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    input.take(PASSWORD_BYTES_MAX as u64 + 2).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

/// While this lives the terminal does not show what is typed, and Ctrl-C puts it right before it ends us.
struct Hidden {
    shown: Termios,
}

impl Hidden {
    fn start() -> io::Result<Self> {
        let shown = tcgetattr(io::stdin())?;
        show_again_when_interrupted(shown.clone())?;
        let mut hidden = shown.clone();
        hidden.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &hidden)?;
        Ok(Self { shown })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.shown);
    }
}

fn show_again_when_interrupted(shown: Termios) -> io::Result<()> {
    let (mut interrupted, signal) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGINT, signal.try_clone()?)?;
    signal_hook::low_level::pipe::register(SIGTERM, signal)?;
    std::thread::spawn(move || {
        let mut byte = [0];
        if interrupted.read_exact(&mut byte).is_ok() {
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &shown);
            process::exit(INTERRUPTED);
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_without_its_end_and_the_next_stays() {
        let mut input = &b"first\r\nsecond\nthird"[..];
        let wanted: [&[u8]; 4] = [b"first", b"second", b"third", b""];
        for wanted in wanted {
            assert_eq!(read_line(&mut input).expect("a line"), wanted);
        }
    }
}
