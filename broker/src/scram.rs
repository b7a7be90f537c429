//! SCRAM-SHA-256 as a method of enhanced authentication: which exchanges are under way, and what each step comes to.
//!
//! All is decided at once, on the broker's own thread: with the keys of the password file a step costs a few HMACs,
//! some microseconds. The slow part of hashing a password is the client's.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use acl::{PasswordFile, SCRAM_SHA_256, ScramExchange, ScramFault};
use broker_core::{AuthAnswer, AuthStep, LinkId, Refusal};
use ring::hmac;

use crate::EXCHANGES_BYTES_MAX;
use crate::login::Asker;

/// Random bytes of our nonce: nobody meets the same one twice.
const NONCE_BYTES: usize = 24;

/// The exchanges that are under way.
pub(crate) struct Exchanges {
    /// Makes the salts of users that are not in the file. It must not be made of the file: whoever asks for a salt could
    /// then try passwords at leisure. So it is another after each start, and so are those salts.
    secret: [u8; 32],
    open: HashMap<u32, Open>,
    bytes: usize,
    bytes_of: HashMap<IpAddr, usize>,
}

/// One of them.
struct Open {
    /// `None`: the client has said nothing yet but that it wants to.
    exchange: Option<ScramExchange>,
    network: IpAddr,
    bytes: usize,
}

/// What a step came to; [`AuthAnswer`] with its data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Continue { data: Option<String> },
    Success { data: String, username: Box<str> },
    Failure { why: Refusal, username: Option<Box<str>> },
}

impl Answer {
    pub(crate) fn as_answer(&self) -> AuthAnswer<'_> {
        match self {
            Self::Continue { data } => AuthAnswer::Continue { data: data.as_deref().map(str::as_bytes) },
            Self::Success { data, username } => AuthAnswer::Success { data: Some(data.as_bytes()), username },
            Self::Failure { why, username } => AuthAnswer::Failure { why: *why, username: username.as_deref() },
        }
    }

    fn failure(fault: ScramFault, username: Option<&str>) -> Self {
        let why = match fault {
            ScramFault::Proof => Refusal::Password,
            other => Refusal::AuthenticationData(other.as_str()),
        };
        Self::Failure { why, username: username.map(Into::into) }
    }
}

impl Exchanges {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let mut own = [0; 32];
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        own.copy_from_slice(hmac::sign(&key, b"salts of users that are not there").as_ref());
        Self { secret: own, open: HashMap::new(), bytes: 0, bytes_of: HashMap::new() }
    }

    /// Takes a step of a client; `file` is the password file that counts now.
    pub(crate) fn step(&mut self, file: Option<&PasswordFile>, asker: Asker, step: AuthStep<'_>) -> Answer {
        let before = self.take(asker.link);
        let fails = |why| Answer::Failure { why, username: None };
        let Some(file) = file else { return fails(Refusal::Method) };
        if step.begins && !(step.method == SCRAM_SHA_256 && file.offers_scram()) {
            return fails(Refusal::Method);
        }
        let exchange = if step.begins { None } else { before.and_then(|open| open.exchange) };
        if let Some(exchange) = exchange {
            return match exchange.finish(step.data.unwrap_or_default(), file) {
                Ok(data) => Answer::Success { data, username: exchange.username().into() },
                Err(fault) => Answer::failure(fault, Some(exchange.username())),
            };
        }
        if !self.has_room(&asker) {
            return fails(Refusal::Busy);
        }
        // The client has the first word, and may have it later.
        let (exchange, data) = match step.data {
            None if step.begins => (None, None),
            data => {
                let Some(nonce) = nonce() else { return fails(Refusal::Busy) };
                match ScramExchange::begin(data.unwrap_or_default(), &nonce, file, &self.secret) {
                    Ok((exchange, ours)) => (Some(exchange), Some(ours)),
                    Err(fault) => return Answer::failure(fault, None),
                }
            }
        };
        self.bytes += asker.bytes;
        *self.bytes_of.entry(asker.network).or_default() += asker.bytes;
        self.open.insert(asker.link.0, Open { exchange, network: asker.network, bytes: asker.bytes });
        Answer::Continue { data }
    }

    /// Whether the connection is in the middle of an exchange.
    pub(crate) fn has(&self, link: LinkId) -> bool {
        self.open.contains_key(&link.0)
    }

    /// The connection is over.
    pub(crate) fn forget(&mut self, link: LinkId) {
        self.take(link);
    }

    fn take(&mut self, link: LinkId) -> Option<Open> {
        let open = self.open.remove(&link.0)?;
        self.bytes -= open.bytes;
        if let Some(bytes) = self.bytes_of.get_mut(&open.network) {
            *bytes -= open.bytes;
            if *bytes == 0 {
                self.bytes_of.remove(&open.network);
            }
        }
        Some(open)
    }

    fn has_room(&self, asker: &Asker) -> bool {
        let of_network = self.bytes_of.get(&asker.network).copied().unwrap_or_default();
        self.bytes + asker.bytes <= EXCHANGES_BYTES_MAX && of_network + asker.bytes <= EXCHANGES_BYTES_MAX / 2
    }
}

/// `None`: the system has no random numbers, and then nobody may come in.
fn nonce() -> Option<String> {
    let mut bytes = [0; NONCE_BYTES];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().fold(String::with_capacity(2 * NONCE_BYTES), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 §3: user "user", password "pencil".
    const LINE: &str = "user:$scram-sha-256$4096$W22ZaJ0SNY7soEsUEjb6gQ==$\
        WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=$wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n";
    const FIRST: &[u8] = b"n,,n=user,r=x";

    fn file() -> PasswordFile {
        PasswordFile::parse(LINE.as_bytes()).expect("a file")
    }

    fn asker(number: u32, bytes: usize) -> Asker {
        let network = IpAddr::from([192, 0, 2, (number >> 8) as u8]);
        Asker { link: LinkId(number), generation: 0, listener: 0, network, bytes }
    }

    const fn begins(data: Option<&[u8]>) -> AuthStep<'_> {
        AuthStep { method: SCRAM_SHA_256, data, begins: true }
    }

    const fn goes_on(data: Option<&[u8]>) -> AuthStep<'_> {
        AuthStep { method: SCRAM_SHA_256, data, begins: false }
    }

    fn failed(why: Refusal, username: Option<&str>) -> Answer {
        Answer::Failure { why, username: username.map(Into::into) }
    }

    fn is_continued(answer: &Answer) -> bool {
        matches!(answer, Answer::Continue { .. })
    }

    #[test]
    fn the_method_is_there_where_the_file_has_a_line_for_it() {
        let (mut exchanges, file) = (Exchanges::new(&[1; 32]), file());
        let other = PasswordFile::parse(b"").expect("a file");
        let plus = AuthStep { method: "SCRAM-SHA-256-PLUS", ..begins(Some(FIRST)) };
        for (file, step) in [(None, begins(None)), (Some(&other), begins(None)), (Some(&file), plus)] {
            assert_eq!(exchanges.step(file, asker(1, 0), step), failed(Refusal::Method, None));
        }
        assert!(!exchanges.has(LinkId(1)));
        assert!(is_continued(&exchanges.step(Some(&file), asker(1, 0), begins(Some(FIRST)))));
        assert!(exchanges.has(LinkId(1)));
    }

    #[test]
    fn no_nonce_of_ours_comes_twice_and_a_first_message_may_come_later() {
        let (mut exchanges, file) = (Exchanges::new(&[1; 32]), file());
        let mut nonces = std::collections::BTreeSet::new();
        for number in 0..20 {
            let answer = exchanges.step(Some(&file), asker(number, 0), begins(None));
            assert_eq!(answer, Answer::Continue { data: None });
            let Answer::Continue { data: Some(ours) } =
                exchanges.step(Some(&file), asker(number, 0), goes_on(Some(FIRST)))
            else {
                panic!("it goes on")
            };
            assert!(ours.ends_with(",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"), "{ours}");
            let nonce = ours.split(',').next().and_then(|first| first.strip_prefix("r=x")).expect("a nonce").to_owned();
            assert_eq!(nonce.len(), 2 * NONCE_BYTES);
            nonces.insert(nonce);
        }
        assert_eq!(nonces.len(), 20);
    }

    #[test]
    fn an_exchange_is_over_when_it_failed_and_says_whose_it_was() {
        let (mut exchanges, file) = (Exchanges::new(&[1; 32]), file());
        for (data, fault) in
            [(None, "the last message is not"), (Some(&b"c=biws,r=x,p="[..]), "the last message is not")]
        {
            exchanges.step(Some(&file), asker(1, 10), begins(Some(FIRST)));
            let answer = exchanges.step(Some(&file), asker(1, 10), goes_on(data));
            let Answer::Failure { why: Refusal::AuthenticationData(why), username } = answer else {
                panic!("{answer:?}")
            };
            assert!(why.starts_with(fault) && username.as_deref() == Some("user"), "{why}");
            assert!(!exchanges.has(LinkId(1)) && exchanges.bytes == 0 && exchanges.bytes_of.is_empty());
        }
        // Twice nothing is not a message.
        exchanges.step(Some(&file), asker(1, 10), begins(None));
        let answer = exchanges.step(Some(&file), asker(1, 10), goes_on(None));
        assert!(matches!(answer, Answer::Failure { why: Refusal::AuthenticationData(_), .. }), "{answer:?}");
        assert!(exchanges.open.is_empty());
    }

    #[test]
    fn what_is_kept_of_strangers_is_bounded_and_no_network_has_it_all() {
        let (mut exchanges, file) = (Exchanges::new(&[1; 32]), file());
        let quarter = EXCHANGES_BYTES_MAX / 4;
        // Two of a network fit, a third does not; another network finds room, a third one none.
        let rows = [(0, true), (1, true), (2, false), (256, true), (257, true), (512, false)];
        for (number, wanted) in rows {
            let answer = exchanges.step(Some(&file), asker(number, quarter), begins(Some(FIRST)));
            assert_eq!(is_continued(&answer), wanted, "{number}: {answer:?}");
            assert!(wanted || answer == failed(Refusal::Busy, None), "{number}: {answer:?}");
        }
        assert!(is_continued(&exchanges.step(Some(&file), asker(1, quarter), begins(None))), "in its own place");
        exchanges.forget(LinkId(0));
        assert!(is_continued(&exchanges.step(Some(&file), asker(512, quarter), begins(Some(FIRST)))));
        for number in [1, 256, 257, 512] {
            exchanges.forget(LinkId(number));
        }
        assert!(exchanges.bytes == 0 && exchanges.bytes_of.is_empty() && exchanges.open.is_empty());
    }
}
