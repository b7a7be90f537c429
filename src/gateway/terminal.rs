//! The terminal as a table needs it: a screen of its own that is drawn over, and given back whatever happens.
//! What is drawn is text that was cleaned before; the only escape sequences are those of this file.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP};

use super::rows::Size;

/// The alternate screen, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// The colours as they were, the cursor, the screen that was there before.
const LEAVE: &str = "\x1b[0m\x1b[?25h\x1b[?1049l";

/// For a terminal that does not say how large it is.
const SIZE: Size = Size { columns: 80, rows: 24 };

/// Whether standard output is one.
pub(crate) fn is_there() -> bool {
    io::stdout().is_terminal()
}

/// The screen, ours until this is dropped.
pub(crate) struct Terminal {
    is_stopped: Arc<AtomicBool>,
}

impl Terminal {
    /// Takes the screen. It is given back when this is dropped, and before a panic is told: where a panic ends the
    /// program at once, nothing is dropped.
    pub(crate) fn enter() -> io::Result<Self> {
        let is_stopped = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGTSTP, Arc::clone(&is_stopped))?;
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let _ = write(LEAVE);
            tell(panic);
        }));
        write(ENTER)?;
        Ok(Self { is_stopped })
    }

    pub(crate) fn size() -> Size {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        size.filter(|size| size.ws_col > 0 && size.ws_row > 0)
            .map_or(SIZE, |size| Size { columns: size.ws_col.into(), rows: size.ws_row.into() })
    }

    /// Draws all lines over what was there, in one write so that nothing flickers.
    pub(crate) fn draw(&self, lines: &[String]) -> io::Result<()> {
        if self.is_stopped.swap(false, Ordering::Relaxed) {
            // Ctrl-Z: the shell has its screen back while we are stopped.
            write(LEAVE)?;
            signal_hook::low_level::emulate_default_handler(SIGTSTP)?;
            write(ENTER)?;
        }
        // Each line to its end, then what is below: nothing is cleared that is drawn again.
        let mut screen = String::from("\x1b[H");
        for (at, line) in lines.iter().enumerate() {
            screen.push_str(if at == 0 { "" } else { "\r\n" });
            screen.push_str(line);
            screen.push_str("\x1b[K");
        }
        screen.push_str("\x1b[J");
        write(&screen)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = write(LEAVE);
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Whether somebody asked for the end: Ctrl-C, SIGTERM, or a terminal that was closed. Who asks twice does not wait.
pub(crate) fn asked_to_end() -> io::Result<Arc<AtomicBool>> {
    let is_asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if signal != SIGHUP {
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&is_asked))?;
        }
        signal_hook::flag::register(signal, Arc::clone(&is_asked))?;
    }
    Ok(is_asked)
}
