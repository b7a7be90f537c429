//! What of root's power this process has, and how it is given up. The radio needs two capabilities and the rest of the
//! program none; capabilities belong to threads, so all of this is done while there is only one.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities, set_no_new_privs,
};

/// What a radio needs: the kernel's monitor of all adapters, and their management.
pub(crate) const OF_RADIO: CapabilitySet = CapabilitySet::NET_RAW.union(CapabilitySet::NET_ADMIN);

/// The names of what a radio needs and this thread does not have.
pub(crate) fn missing_for_radio() -> Vec<&'static str> {
    let has = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    let names = [(CapabilitySet::NET_RAW, "CAP_NET_RAW"), (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN")];
    names.into_iter().filter(|(one, _)| !has.contains(*one)).map(|(_, name)| name).collect()
}

/// Both ways to grant them to this program, to be copied.
pub(crate) fn how_to_grant() -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("nightjar"));
    format!(
        "sudo setcap cap_net_raw,cap_net_admin+eip {}, or in the unit of systemd \
         AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN",
        program.display()
    )
}

/// Lets a program that is started from here on have what a radio needs, as far as this thread has it, until
/// [`give_up`]. (A new program of root, or one with capabilities in its file, has them without this.)
pub(crate) fn hand_on_to_children() -> io::Result<()> {
    let sets = capabilities(None)?;
    let has = sets.permitted & OF_RADIO;
    set_capabilities(None, CapabilitySets { inheritable: sets.inheritable | has, ..sets })?;
    for one in has.iter() {
        configure_capability_in_ambient_set(one, true)?;
    }
    Ok(())
}

/// Sees to it that neither this thread nor threads and programs that it starts ever have more than now: no new
/// privileges by programs, nothing to hand on, nothing in the bounding set. (The last only where we may, with
/// CAP_SETPCAP; without new privileges nothing comes of it anyway.)
pub(crate) fn never_more() -> io::Result<()> {
    set_no_new_privs(true)?;
    clear_ambient_capability_set()?;
    let sets = capabilities(None)?;
    if sets.effective.contains(CapabilitySet::SETPCAP) {
        for one in CapabilitySet::all().iter() {
            match remove_capability_from_bounding_set(one) {
                // A kernel that does not know a capability does not grant it either.
                Ok(()) | Err(Errno::INVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    set_capabilities(None, CapabilitySets { inheritable: CapabilitySet::empty(), ..sets })?;
    Ok(())
}

/// Keeps of what this thread has only what is in `kept`.
pub(crate) fn keep_only(kept: CapabilitySet) -> io::Result<()> {
    let kept = kept & capabilities(None)?.permitted;
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })?;
    Ok(())
}

/// The end of privileges for a broker whose ports are bound, before it starts its threads: it keeps nothing. As root it
/// keeps all but the radio's, because it has files to open yet: becoming another user then ends the rest, in all threads;
/// and who says `user root` wants root.
pub(crate) fn give_up() -> io::Result<()> {
    never_more()?;
    let is_root = nix::unistd::Uid::effective().is_root();
    keep_only(if is_root { OF_RADIO.complement() } else { CapabilitySet::empty() })
}

/// Whether this thread keeps what it has when it becomes another user than root; [`keep_only`] makes it effective again.
pub(crate) fn keep_over_change_of_user() -> io::Result<()> {
    Ok(set_keep_capabilities(true)?)
}
