//! The two brokers, started with the same configuration.

use crate::folder::Folder;
use crate::harness::{Appliance, filled};
use crate::mosquitto::Mosquitto;

/// What both brokers are told, and what the generator should know of it.
pub(crate) struct Configuration {
    pub name: &'static str,
    text: &'static str,
    /// Hardly anything may be in flight.
    pub is_narrow: bool,
    /// User names and passwords that clients try; `None` is none.
    pub logins: &'static [(Option<&'static str>, Option<&'static str>)],
}

/// Who sees and writes everything, to look at what is left and to clear it away.
pub(crate) const KEEPER: (&str, &str) = ("keeper", "keeper's");

const ROGER: (Option<&str>, Option<&str>) = (Some("roger"), Some("roger's"));
const NOBODY: (Option<&str>, Option<&str>) = (None, None);

/// A conversation is spoken in one of these, by its seed.
pub(crate) const CONFIGURATIONS: [Configuration; 4] = [
    Configuration {
        name: "open",
        is_narrow: false,
        text: "allow_anonymous true\n",
        logins: &[NOBODY, NOBODY, NOBODY, (Some("anyone"), None), (Some("anyone"), Some("any")), (None, Some("any"))],
    },
    Configuration {
        name: "users",
        is_narrow: false,
        text: "allow_anonymous false\npassword_file DIR/pwfile\nacl_file DIR/acl\n",
        logins: &[
            ROGER,
            ROGER,
            ROGER,
            ROGER,
            ROGER,
            (Some("mary"), Some("mary's")),
            NOBODY,
            (Some("roger"), Some("x")),
        ],
    },
    Configuration {
        name: "limits",
        is_narrow: true,
        text: "allow_anonymous true\nmax_qos 1\nmax_topic_alias 3\nretain_available false\nmax_keepalive 700\n\
               max_packet_size 200\nmessage_size_limit 40\nmax_inflight_messages 2\nmax_queued_messages 3\n\
               allow_zero_length_clientid false\n",
        logins: &[NOBODY, NOBODY, (Some("anyone"), None)],
    },
    Configuration {
        name: "window",
        is_narrow: true,
        text: "allow_anonymous true\nmax_inflight_messages 1\nqueue_qos0_messages true\nupgrade_outgoing_qos true\n\
               password_file DIR/pwfile\nacl_file DIR/acl\nauto_id_prefix own-\n",
        logins: &[NOBODY, NOBODY, ROGER, ROGER, (Some("mary"), Some("mary's"))],
    },
];

const BASE: &str = "user root\nlistener PORT 127.0.0.1\nset_tcp_nodelay true\nsys_interval 0\npersistence false\n\
                    allow_duplicate_messages true\n                    log_dest stderr\nlog_type error\nlog_type information\nconnection_messages false\n";

const ACL: &str = "\
topic t/#
topic read only/read
user keeper
topic #
topic $data/#
user roger
topic t/#
topic #
topic deny t/b
topic write only/write
user mary
topic read t/+
topic write t/a
pattern own/%c/%u
";

/// Ours and theirs, running.
pub(crate) struct Pair {
    pub configuration: &'static Configuration,
    pub ours: u16,
    pub theirs: u16,
    _appliance: Appliance,
    _mosquitto: Mosquitto,
    _folder: Folder,
}

impl Pair {
    pub(crate) fn start(configuration: &'static Configuration) -> Self {
        let text = [BASE, configuration.text].concat();
        let (folder, same) = (files(), files());
        let mosquitto = Mosquitto::with_configuration(|port| filled(&text, &folder, port));
        let appliance = Appliance::start(&text, same);
        Self {
            configuration,
            ours: appliance.port,
            theirs: mosquitto.open_port(),
            _appliance: appliance,
            _mosquitto: mosquitto,
            _folder: folder,
        }
    }
}

fn files() -> Folder {
    let folder = Folder::new();
    folder.passwords("pwfile", &[KEEPER, ("roger", "roger's"), ("mary", "mary's")]);
    folder.write("acl", ACL);
    folder
}
