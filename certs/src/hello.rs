//! The first bytes of a connection: which language does the client speak?
//!
//! The door looks at them without taking them (`recv` with `MSG_PEEK`) and asks [`sniff`]; then it
//! knows whether MQTT, rustls (certificates) or OpenSSL (PSK) reads on, or what to tell the operator.
//! Nothing here reads, waits or allocates, and no input makes it panic.

/// Bytes after which [`sniff`] no longer answers [`Sniffed::NeedMore`].
///
/// A ClientHello is 200 to 600 bytes, and about 1,800 with a post-quantum key share. The suites, which
/// decide, come first. Ask again with more bytes up to this many; a client that sends fewer and then
/// nothing is the handshake time-out's business.
pub const SNIFF_BYTES_MAX: usize = 4_096;

/// What the first bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed<'a> {
    /// Not enough to tell. Never answered for [`SNIFF_BYTES_MAX`] bytes or more.
    NeedMore,
    /// An MQTT CONNECT, in the clear. (Whether it is a good one is the codec's question.)
    MqttConnect,
    /// An HTTP request: a browser, a health check, or a WebSocket client.
    Http,
    /// TLS, and what its ClientHello offers.
    TlsHello(TlsHello<'a>),
    /// TLS, but the suites cannot be seen: the hello is split over several records, or its list of
    /// suites goes on past [`SNIFF_BYTES_MAX`].
    TlsHelloUnreadable,
    /// TLS, but its first message is not a ClientHello, or it contradicts itself.
    TlsBroken,
    /// A ClientHello in the clothes of SSL 2.0 (RFC 5246 E.2), which nobody should send any more.
    Ssl2,
    /// A PROXY protocol header, version 1 or 2.
    ProxyProtocol {
        /// 1 (text) or 2 (binary).
        version: u8,
    },
    /// None of these.
    Other,
}

/// What a ClientHello offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsHello<'a> {
    /// At least one TLS-PSK suite of [`PSK_SUITES`]: the client has a pre-shared key.
    ///
    /// The TLS 1.3 extensions `pre_shared_key` and `psk_key_exchange_modes` are resumption and do not count.
    pub offers_psk: bool,
    /// At least one suite that needs a certificate (every TLS 1.3 suite counts, signalling values do not).
    pub offers_certificate: bool,
    /// The lowest version offered, e.g. `0x0303` for TLS 1.2. `0x0300` when the client does not say.
    pub min_version: u16,
    /// The highest version offered, e.g. `0x0304` for TLS 1.3.
    pub max_version: u16,
    /// The host name the client wants to reach (server_name, RFC 6066 §3); absent for an IP address.
    pub server_name: Option<&'a str>,
}

/// Every cipher suite of the IANA registry that authenticates with a pre-shared key, in order.
///
/// Source: IANA "TLS Cipher Suites"; RFC 4279, 4785, 5487, 5489, 5932/6367, 6209, 6655, 7905, 8442.
pub const PSK_SUITES: &[u16] = &[
    0x002C, 0x002D, 0x002E, // PSK, DHE-PSK, RSA-PSK with NULL-SHA (RFC 4785)
    0x008A, 0x008B, 0x008C, 0x008D, // PSK with RC4, 3DES, AES-128, AES-256 (RFC 4279)
    0x008E, 0x008F, 0x0090, 0x0091, // DHE-PSK
    0x0092, 0x0093, 0x0094, 0x0095, // RSA-PSK
    0x00A8, 0x00A9, 0x00AA, 0x00AB, 0x00AC, 0x00AD, // AES-GCM: PSK, DHE-PSK, RSA-PSK (RFC 5487)
    0x00AE, 0x00AF, 0x00B0, 0x00B1, // PSK with AES-CBC and NULL, SHA-256 and SHA-384
    0x00B2, 0x00B3, 0x00B4, 0x00B5, // DHE-PSK
    0x00B6, 0x00B7, 0x00B8, 0x00B9, // RSA-PSK
    0xC033, 0xC034, 0xC035, 0xC036, 0xC037, 0xC038, 0xC039, 0xC03A, 0xC03B, // ECDHE-PSK (RFC 5489)
    0xC064, 0xC065, 0xC066, 0xC067, 0xC068, 0xC069, // ARIA-CBC: PSK, DHE-PSK, RSA-PSK (RFC 6209)
    0xC06A, 0xC06B, 0xC06C, 0xC06D, 0xC06E, 0xC06F, // ARIA-GCM
    0xC070, 0xC071, // ECDHE-PSK with ARIA-CBC
    0xC08E, 0xC08F, 0xC090, 0xC091, 0xC092, 0xC093, // CAMELLIA-GCM (RFC 6367)
    0xC094, 0xC095, 0xC096, 0xC097, 0xC098, 0xC099, // CAMELLIA-CBC
    0xC09A, 0xC09B, // ECDHE-PSK with CAMELLIA-CBC
    0xC0A4, 0xC0A5, 0xC0A6, 0xC0A7, 0xC0A8, 0xC0A9, 0xC0AA, 0xC0AB, // AES-CCM and CCM-8 (RFC 6655)
    0xCCAB, 0xCCAC, 0xCCAD, 0xCCAE, // ChaCha20-Poly1305 (RFC 7905)
    0xD001, 0xD002, 0xD003, 0xD005, // ECDHE-PSK with AES-GCM and AES-CCM (RFC 8442)
];

/// Suites that are no suites: renegotiation info (RFC 5746) and fallback (RFC 7507).
const SIGNALLING_SUITES: [u16; 2] = [0x00FF, 0x5600];

/// What the first bytes of a connection are.
///
/// `first_bytes` begins with the first byte the client sent. Asked again with more bytes the answer
/// changes only from [`Sniffed::NeedMore`] to another.
pub fn sniff(first_bytes: &[u8]) -> Sniffed<'_> {
    // What lies past the limit changes nothing, so the answer does not depend on how much was read.
    let first_bytes = first_bytes.get(..SNIFF_BYTES_MAX).unwrap_or(first_bytes);
    match sniff_language(first_bytes) {
        Language::Mqtt => Sniffed::MqttConnect,
        Language::Http => Sniffed::Http,
        Language::Proxy(version) => Sniffed::ProxyProtocol { version },
        Language::Ssl2 => Sniffed::Ssl2,
        Language::Tls => sniff_tls(first_bytes),
        Language::Undecided => Sniffed::NeedMore,
        Language::Unknown => Sniffed::Other,
    }
}

enum Language {
    Mqtt,
    Http,
    Proxy(u8),
    Ssl2,
    Tls,
    Undecided,
    Unknown,
}

/// How text protocols begin. `PRI * HTTP/2.0` is HTTP/2 (RFC 9113 §3.4).
const HTTP_METHODS: [&[u8]; 10] =
    [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"CONNECT ", b"OPTIONS ", b"TRACE ", b"PATCH ", b"PRI * HTTP/2"];
const PROXY_V1: &[u8] = b"PROXY ";
const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The packet type and flags of a CONNECT [3.1.1 §3.1.1, 5.0 §3.1.1].
const MQTT_CONNECT: u8 = 0x10;
/// TLS record type "handshake" (RFC 5246 §6.2.1).
const TLS_HANDSHAKE: u8 = 0x16;

fn sniff_language(bytes: &[u8]) -> Language {
    match *bytes {
        [] => Language::Undecided,
        // No other language here begins with these two, so one byte is enough.
        [MQTT_CONNECT, ..] => Language::Mqtt,
        [TLS_HANDSHAKE] | [TLS_HANDSHAKE, 3, ..] => Language::Tls,
        // SSL 2.0: length with the top bit set, message type 1, version 2.0 or 3.x.
        [length, ..] if length & 0x80 != 0 => match *bytes {
            [_, _, 1, 0, 2, ..] | [_, _, 1, 3, 0..=4, ..] => Language::Ssl2,
            [_] | [_, _] | [_, _, 1] | [_, _, 1, 0 | 3] => Language::Undecided,
            _ => Language::Unknown,
        },
        _ => sniff_text(bytes),
    }
}

fn sniff_text(bytes: &[u8]) -> Language {
    let known = HTTP_METHODS
        .iter()
        .map(|method| (*method, Language::Http))
        .chain([(PROXY_V1, Language::Proxy(1)), (PROXY_V2, Language::Proxy(2))]);
    let mut undecided = false;
    for (beginning, language) in known {
        if bytes.starts_with(beginning) {
            return language;
        }
        undecided |= beginning.starts_with(bytes);
    }
    if undecided { Language::Undecided } else { Language::Unknown }
}

/// Reads a ClientHello (RFC 8446 §4.1.2) as far as it is there.
fn sniff_tls(bytes: &[u8]) -> Sniffed<'_> {
    let mut record = Reader(bytes);
    let Some([_, _, _, record_high, record_low]) = record.array() else { return Sniffed::NeedMore };
    let record_length = usize::from(u16::from_be_bytes([record_high, record_low]));
    let record_complete = record.0.len() >= record_length;
    let mut message = Reader(record.up_to(record_length));
    let Some([kind, high, middle, low]) = message.array() else {
        return if record_complete { Sniffed::TlsBroken } else { Sniffed::NeedMore };
    };
    if kind != 1 {
        return Sniffed::TlsBroken;
    }
    let message_length = usize::from(high) << 16 | usize::from(u16::from_be_bytes([middle, low]));
    // Past the limit, what is there must do: the suites come early.
    let all_there = record_complete || bytes.len() >= SNIFF_BYTES_MAX;
    let fragmented = message_length + 4 > record_length;
    match read_hello(Reader(message.up_to(message_length))) {
        Ok(_) | Err(Cut::Short) if !all_there => Sniffed::NeedMore,
        Ok(hello) => Sniffed::TlsHello(hello),
        Err(Cut::Short) if fragmented || !record_complete => Sniffed::TlsHelloUnreadable,
        Err(_) => Sniffed::TlsBroken,
    }
}

/// Why a ClientHello could not be read to where its suites end.
enum Cut {
    /// It ends before.
    Short,
    /// Its lengths cannot be.
    Wrong,
}

fn read_hello(mut body: Reader<'_>) -> Result<TlsHello<'_>, Cut> {
    let legacy_version = body.u16().ok_or(Cut::Short)?;
    body.take(32).ok_or(Cut::Short)?;
    let session_id_length = body.u8().ok_or(Cut::Short)?;
    if session_id_length > 32 || legacy_version >> 8 != 3 {
        return Err(Cut::Wrong);
    }
    body.take(usize::from(session_id_length)).ok_or(Cut::Short)?;
    let suites_length = usize::from(body.u16().ok_or(Cut::Short)?);
    if suites_length == 0 || suites_length % 2 != 0 {
        return Err(Cut::Wrong);
    }
    let suites = body.take(suites_length).ok_or(Cut::Short)?;
    let mut hello = TlsHello {
        offers_psk: false,
        offers_certificate: false,
        min_version: 0x0300,
        max_version: legacy_version,
        server_name: None,
    };
    for pair in suites.chunks_exact(2) {
        let suite = pair.iter().fold(0u16, |high, low| high << 8 | u16::from(*low));
        if PSK_SUITES.binary_search(&suite).is_ok() {
            hello.offers_psk = true;
        } else if !SIGNALLING_SUITES.contains(&suite) && !is_grease(suite) {
            hello.offers_certificate = true;
        }
    }
    // Extensions are optional, and those that are cut off say nothing.
    let _ = read_extensions(body, &mut hello);
    Ok(hello)
}

/// Takes server_name and supported_versions from the extensions, as far as they go.
fn read_extensions<'a>(mut body: Reader<'a>, hello: &mut TlsHello<'a>) -> Option<()> {
    let compression_length = body.u8()?;
    body.take(usize::from(compression_length))?;
    let extensions_length = usize::from(body.u16()?);
    let mut extensions = Reader(body.up_to(extensions_length));
    loop {
        let kind = extensions.u16()?;
        let length = usize::from(extensions.u16()?);
        let mut content = Reader(extensions.take(length)?);
        match kind {
            0 => hello.server_name = host_name(content),
            43 => {
                let listed = usize::from(content.u8()?);
                take_versions(content.up_to(listed), hello);
            }
            _ => {}
        }
    }
}

/// The first host_name of a server_name extension (RFC 6066 §3), if it is plain ASCII.
fn host_name(mut content: Reader<'_>) -> Option<&str> {
    let _list_length = content.u16()?;
    let kind = content.u8()?;
    let length = usize::from(content.u16()?);
    let name = content.take(length)?;
    let printable = name.iter().all(u8::is_ascii_graphic) && !name.is_empty();
    if kind == 0 && printable { std::str::from_utf8(name).ok() } else { None }
}

/// The range of versions in supported_versions (RFC 8446 §4.2.1), which replaces the legacy version.
fn take_versions(listed: &[u8], hello: &mut TlsHello<'_>) {
    let versions = listed
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0u16, |high, low| high << 8 | u16::from(*low)))
        .filter(|version| (0x0300..=0x0304).contains(version));
    if let (Some(min), Some(max)) = (versions.clone().min(), versions.max()) {
        hello.min_version = min;
        hello.max_version = max;
    }
}

/// Values that browsers send so that nobody grows used to a fixed list (RFC 8701).
fn is_grease(value: u16) -> bool {
    value & 0x0F0F == 0x0A0A && value >> 8 == value & 0xFF
}

/// Takes bytes from the front; `None` when there are too few.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next `count` bytes, or what there is of them.
    fn up_to(&self, count: usize) -> &'a [u8] {
        self.0.get(..count).unwrap_or(self.0)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }
}

#[cfg(test)]
mod tests;
