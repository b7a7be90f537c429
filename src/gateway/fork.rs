//! A copy of this process, in the one place where nothing else will do.
#![allow(unsafe_code)]

use nix::unistd::{ForkResult, Pid};

/// Runs `child` in a copy of this process, which ends with the status that it returns; the copy's process id is the
/// answer.
///
/// # Errors
/// There is no room for another process; or this one has a second thread, whose half-done work the copy would have.
pub(crate) fn copy(child: impl FnOnce() -> i32) -> std::io::Result<Pid> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(std::io::Error::other(format!("{threads} threads, and a copy would have one of them")));
    }
    // SAFETY: what makes fork unsafe are other threads, which may hold locks that nobody would ever open in the copy.
    // There are none: this is the only thread, and only it could start another.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => std::process::exit(child()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_a_second_thread_is_not_copied() {
        // The tests run on a thread beside the main one.
        let refused = copy(|| 0).expect_err("there is a second thread").to_string();
        assert!(refused.ends_with("threads, and a copy would have one of them"), "{refused}");
    }
}
