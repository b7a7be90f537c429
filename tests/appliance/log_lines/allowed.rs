//! The lines that may differ between Debian's mosquitto 2.0.11 and ours, each with the reason: 2.0.11 is what can be installed and
//! 2.1.2 is what we stand in for. `*` stands for anything, and what it stands for comes over.

/// A line as it is written, as it is compared (`None`: not at all), and why.
struct Allowed {
    line: &'static str,
    becomes: Option<&'static str>,
    why: &'static str,
}

const fn reads(line: &'static str, becomes: &'static str, why: &'static str) -> Allowed {
    Allowed { line, becomes: Some(becomes), why }
}

const fn without(line: &'static str, why: &'static str) -> Allowed {
    Allowed { line, becomes: None, why }
}

const FORM: &str = "2.1 names the address, and has one form for all reasons";
const VERSIONS: &str = "2.0 has numbers of its own for the versions of MQTT";
const NAME: &str = "2.1 knows the name before it refuses, 2.0 does not";
const SAYS: &str = "2.0 has no words for it, and prints an error number's; ours are 2.1's for the same in a will";

/// The first that fits counts.
const THEIRS: &[Allowed] = &[
    reads("New client connected * (p1, *", "New client connected * (p3, *", VERSIONS),
    reads("New client connected * (p2, *", "New client connected * (p4, *", VERSIONS),
    reads("mosquitto version 2.0.11 *", "mosquitto version 2.1.2 *", "the version that we stand in for"),
    without(
        "Warning: Mosquitto should not be run as root/administrator.",
        "ours runs as root where `user root` says so",
    ),
    without("Note: It is recommended to replace `message_size_limit` *", "ours says where it stands"),
    reads(
        "Client <unknown> closed its connection.",
        "Client 127.0.0.1 [PEER] disconnected: connection closed by client.",
        FORM,
    ),
    reads("Client * closed its connection.", "Client * [PEER] disconnected: connection closed by client.", FORM),
    reads("Client * has exceeded timeout, disconnecting.", "Client * [PEER] disconnected: exceeded timeout.", FORM),
    reads("Client <unknown> disconnected, *.", "Client NAME [PEER] disconnected: *.", NAME),
    reads("Client <unknown> disconnected due to QoS *.", "Client NAME [PEER] disconnected: QoS *.", NAME),
    reads(
        "Client <unknown> disconnected due to oversize payload.",
        "Client NAME [PEER] disconnected: oversize payload.",
        NAME,
    ),
    reads("Client <unknown> disconnected due to *.", "Client 127.0.0.1 [PEER] disconnected: *.", FORM),
    reads("Client * disconnected due to *.", "Client * [PEER] disconnected: *.", FORM),
    reads("Client * disconnected.", "Client * [PEER] disconnected.", FORM),
    reads(
        "Bad socket read/write on client *: Requested QoS not supported on server.",
        "Client NAME [PEER] disconnected: QoS too high or retain not supported.",
        SAYS,
    ),
    reads(
        "Bad socket read/write on client *: Invalid function arguments provided.",
        "Client * [PEER] disconnected: protocol error.",
        "only servers send CONNACK, and 2.0 stumbles over it",
    ),
    without("Invalid subscription string from *, disconnecting.", "ours names the client, and says what is wrong"),
    reads(
        "Sending PUBACK to bob5 (m6, rc0)",
        "Sending PUBACK to bob5 (m6, rc16)",
        "its only subscriber may not read it: to us that is nobody [5.0 §3.4.2.1], to 2.0 somebody",
    ),
    without("Client * connected with too large Will payload", "ours says it once a minute, with the limit's name"),
    without("Invalid unsubscription string from *, disconnecting.", "ours says what is wrong"),
    reads("Sending CONNACK to 127.0.0.1 (0, 5)", "Sending CONNACK to NAME (0, 5)", NAME),
    reads("Sending CONNACK to 127.0.0.1 (0, 135)", "Sending CONNACK to NAME (0, 135)", NAME),
    reads("Sending CONNACK to 127.0.0.1 (0, 149)", "Sending CONNACK to NAME (0, 149)", NAME),
    reads("Sending CONNACK to 127.0.0.1 (0, 155)", "Sending CONNACK to NAME (0, 155)", NAME),
    reads("Saving in-memory database to *.", "Saving in-memory database to STORE.", "ours is a folder of another name"),
];

const OURS: &[Allowed] = &[
    without("This is nightjar *", "who looks closely is to know"),
    without("One *thread reads* (*).", "which way of running was chosen, by the cores or by a variable"),
    without("* I/O threads read and write * (*).", "the same with several"),
    without("Opened the store *", "ours is open from the start"),
    without("Reloaded: *", "ours says what came of it"),
    without("*: Note: It is recommended to replace `message_size_limit` *", "ours says where it stands"),
    without("Client * [PEER] disconnected: session taken over.", "2.1 says so of the old connection, 2.0 nothing"),
    without("Protocol error from 127.0.0.1:N: First packet not CONNECT (*", "2.1 says so, 2.0 nothing"),
    without("Wrong packet from *", "what lies behind `protocol error` and `malformed packet`, which say no more"),
    without("127.0.0.1 *", "once a minute: what is wrong, and what to do about it"),
    without("Client * (user 'bob') may not *", "once a minute: which line of the rules refuses"),
    without("Client * may not publish to '$SYS/mine'*", "the same without a user name"),
    reads("Client * disconnected: not authorised.", "Client NAME [PEER] disconnected: not authorised.", NAME),
    reads("Client * disconnected: QoS *", "Client NAME [PEER] disconnected: QoS *", NAME),
    reads("Client * disconnected: oversize payload.", "Client NAME [PEER] disconnected: oversize payload.", NAME),
    reads("Sending CONNACK to * (0, 5)", "Sending CONNACK to NAME (0, 5)", NAME),
    reads("Sending CONNACK to * (0, 135)", "Sending CONNACK to NAME (0, 135)", NAME),
    reads("Sending CONNACK to * (0, 149)", "Sending CONNACK to NAME (0, 149)", NAME),
    reads("Sending CONNACK to * (0, 155)", "Sending CONNACK to NAME (0, 155)", NAME),
    reads("Saving in-memory database to *.", "Saving in-memory database to STORE.", "ours is a folder of another name"),
];

/// Which of these differences were met.
pub(super) struct Differences {
    theirs: Vec<bool>,
    ours: Vec<bool>,
}

impl Differences {
    pub(super) fn new() -> Self {
        Self { theirs: vec![false; THEIRS.len()], ours: vec![false; OURS.len()] }
    }

    pub(super) fn theirs(&mut self, lines: &[String]) -> Vec<String> {
        compared(lines, THEIRS, &mut self.theirs)
    }

    pub(super) fn ours(&mut self, lines: &[String]) -> Vec<String> {
        compared(lines, OURS, &mut self.ours)
    }

    /// Of those that were not: the line and the reason.
    pub(super) fn never_met(&self) -> Vec<(&'static str, &'static str)> {
        // Which of the two is met depends on how the test is run.
        let is_a_way = |line: &str| line.contains("read and write") || line.contains("thread reads");
        let all = THEIRS.iter().zip(&self.theirs).chain(OURS.iter().zip(&self.ours));
        all.filter(|(rule, met)| !**met && !is_a_way(rule.line)).map(|(rule, _)| (rule.line, rule.why)).collect()
    }
}

fn compared(lines: &[String], rules: &[Allowed], met: &mut [bool]) -> Vec<String> {
    lines.iter().filter_map(|line| compare(&line.replace("[127.0.0.1:N]", "[PEER]"), rules, met)).collect()
}

fn compare(line: &str, rules: &[Allowed], met: &mut [bool]) -> Option<String> {
    for (rule, met) in rules.iter().zip(met) {
        if let Some(found) = stars(line, rule.line) {
            *met = true;
            return rule.becomes.map(|becomes| filled(becomes, &found));
        }
    }
    Some(line.to_owned())
}

/// What each `*` of `pattern` stands for in `line`.
fn stars<'a>(line: &'a str, pattern: &str) -> Option<Vec<&'a str>> {
    let mut parts = pattern.split('*');
    let mut rest = line.strip_prefix(parts.next()?)?;
    let mut found = Vec::new();
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let at = if parts.peek().is_none() {
            rest.len().checked_sub(part.len()).filter(|at| rest.is_char_boundary(*at) && rest[*at..] == *part)?
        } else {
            rest.find(part)?
        };
        found.push(&rest[..at]);
        rest = &rest[at + part.len()..];
    }
    rest.is_empty().then_some(found)
}

fn filled(text: &str, stars: &[&str]) -> String {
    let mut parts = text.split('*');
    let mut line = parts.next().unwrap_or_default().to_owned();
    // Where a name is not to be compared it is the first of them that is left out.
    let skipped = stars.len().saturating_sub(text.matches('*').count());
    for (part, star) in parts.zip(&stars[skipped..]) {
        line = line + star + part;
    }
    line
}
