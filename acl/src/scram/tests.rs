//! The example of RFC 7677, and what a client may not say.

use super::*;

/// RFC 7677 §3: user "user", password "pencil".
const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
const FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const OUR_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const OURS: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const LAST: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SIGNATURE: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
const SECRET: [u8; 32] = [9; 32];

fn line(user: &str, password: &str, iterations: u32, salt: &[u8]) -> String {
    let algorithm = crate::HashAlgorithm::ScramSha256;
    let hash = crate::PasswordHash::create(algorithm, Some(iterations), password.as_bytes(), salt).expect("a hash");
    format!("{user}:{hash}\n")
}

fn file(text: &str) -> PasswordFile {
    PasswordFile::parse(text.as_bytes()).expect("a password file")
}

fn example() -> PasswordFile {
    file(&line("user", "pencil", 4096, &STANDARD.decode(SALT).expect("Base64")))
}

fn begin(first: &str, file: &PasswordFile) -> Result<(ScramExchange, String), ScramFault> {
    ScramExchange::begin(first.as_bytes(), OUR_NONCE, file, &SECRET)
}

/// The client's half, written down as RFC 5802 §3 has it: its last message, and what it wants to hear.
fn client(first: &str, ours: &str, password: &str, more: &str) -> (String, String) {
    let field = |name: &str| ours.split(',').find_map(|part| part.strip_prefix(name)).expect("a field");
    let salt = STANDARD.decode(field("s=")).expect("Base64");
    let mut salted = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, field("i=").parse().expect("a number"), &mut salted);
    let client_key = hmac(&salted, &[b"Client Key"]);
    let stored_key: Key = Sha256::digest(client_key).into();
    let at = first.match_indices(',').nth(1).expect("a header").0 + 1;
    let (header, bare) = first.split_at(at);
    let without_proof = format!("c={},r={}{more}", STANDARD.encode(header), field("r="));
    let signed = format!("{bare},{ours},{without_proof}");
    let signature = hmac(&stored_key, &[signed.as_bytes()]);
    let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, byte)| key ^ byte).collect();
    let wanted = hmac(&hmac(&salted, &[b"Server Key"]), &[signed.as_bytes()]);
    (format!("{without_proof},p={}", STANDARD.encode(proof)), format!("v={}", STANDARD.encode(wanted)))
}

#[test]
fn the_exchange_of_rfc_7677_is_ours_byte_for_byte() {
    let file = example();
    let (exchange, ours) = begin(FIRST, &file).expect("a first message");
    assert_eq!((ours.as_str(), exchange.username()), (OURS, "user"));
    assert_eq!(exchange.finish(LAST.as_bytes(), &file).as_deref(), Ok(SIGNATURE));
    assert_eq!(client(FIRST, OURS, "pencil", ""), (LAST.to_owned(), SIGNATURE.to_owned()), "the tests' own client");
}

#[test]
fn a_wrong_password_and_an_unknown_user_fail_alike_at_the_end() {
    let file = example();
    for first in [FIRST, "n,,n=nobody,r=abc", "y,,n=User,r=abc"] {
        let (exchange, ours) = begin(first, &file).expect("a first message");
        let (last, _) = client(first, &ours, "pen", "");
        assert_eq!(exchange.finish(last.as_bytes(), &file), Err(ScramFault::Proof), "{first}");
        // The salt has the form of a real one, and the right password of somebody else does not help.
        assert_eq!(ours.len() - exchange.nonce.len(), OURS.len() - OURS.find(",s=").expect("a salt") + 2);
        let (last, _) = client(first, &ours, "pencil", "");
        assert_eq!(exchange.finish(last.as_bytes(), &file).is_ok(), first == FIRST, "{first}");
    }
}

#[test]
fn the_salt_of_an_unknown_user_stays_the_same_and_depends_on_name_and_secret() {
    let (small, large) = (line("a", "x", 4096, &[7; 16]), line("b", "x", 5000, &[8; 64]));
    let file = file(&[small, large].concat());
    let salt = |user: &str, secret: u8| {
        let verifier = file.scram_verifier(user, &[secret; 32]).expect("there are lines of SCRAM");
        assert!([(4096, 16), (5000, 64)].contains(&(verifier.iterations, verifier.salt.len())), "as of a line: {user}");
        (verifier.iterations, verifier.salt)
    };
    assert_eq!(salt("x", 1), salt("x", 1));
    assert_ne!(salt("x", 1).1[..16], salt("y", 1).1[..16]);
    assert_ne!(salt("x", 1).1[..16], salt("x", 2).1[..16]);
    assert_eq!(salt("a", 1), salt("a", 2), "a real one has nothing to do with the secret");
    let many: std::collections::BTreeSet<_> = (0..40).map(|n| salt(&n.to_string(), 1).0).collect();
    assert_eq!(many.len(), 2, "where lines differ, so do the decoys");
}

#[test]
fn a_file_without_a_line_of_scram_lets_nobody_begin() {
    let hash = crate::PasswordHash::create(crate::HashAlgorithm::Sha512, None, b"x", &[7; 12]).expect("a hash");
    let file = file(&format!("user:{hash}\n"));
    assert!(!file.offers_scram() && example().offers_scram());
    assert_eq!(begin(FIRST, &file).map(|_| ()), Err(ScramFault::Proof));
}

#[test]
fn a_user_whose_line_is_another_or_gone_at_the_end_does_not_come_in() {
    let (exchange, ours) = begin(FIRST, &example()).expect("a first message");
    let (last, _) = client(FIRST, &ours, "pencil", "");
    let salt = STANDARD.decode(SALT).expect("Base64");
    let with_more = [line("user", "pencil", 4096, &salt), line("more", "x", 4096, &salt)].concat();
    assert!(exchange.finish(last.as_bytes(), &file(&with_more)).is_ok(), "others do not matter");
    for other in [line("user", "pencil", 4096, &[1; 16]), line("other", "pencil", 4096, &salt)] {
        assert_eq!(exchange.finish(last.as_bytes(), &file(&other)), Err(ScramFault::Proof));
    }
}

#[test]
fn names_are_unescaped_and_prepared_and_extensions_are_signed_with_the_rest() {
    let rows = [
        ("RFC 5802 §5.1: , and = are written =2C and =3D", "a,b=c", "n,,n=a=2Cb=3Dc,r=x", ""),
        ("RFC 5802 §5.1: the user herself", "user", "n,a=user,n=user,r=x", ""),
        ("RFC 4013 §3: SOFT HYPHEN is mapped to nothing", "IX", "n,,n=I\u{ad}X,r=x", ""),
        ("RFC 4013 §3: ROMAN NUMERAL NINE is normalised", "IX", "n,,n=\u{2168},r=x", ""),
        ("RFC 5802 §7: channel-binding y", "user", "y,,n=user,r=x", ""),
        ("RFC 5802 §7: extensions in both messages", "user", "n,,n=user,r=x,t=1,Z=a=b", ",x=y"),
    ];
    for (source, user, first, more) in rows {
        let file = file(&line(user, "pencil", 4096, &[7; 16]));
        let (exchange, ours) = begin(first, &file).unwrap_or_else(|fault| panic!("{source}: {fault}"));
        let (last, wanted) = client(first, &ours, "pencil", more);
        assert_eq!(exchange.username(), user, "{source}");
        assert_eq!(exchange.finish(last.as_bytes(), &file), Ok(wanted), "{source}");
    }
}

#[test]
fn a_first_message_that_is_not_as_rfc_5802_has_it_is_refused() {
    use ScramFault as F;
    let file = example();
    let rows: &[(&[u8], ScramFault)] = &[
        (b"p=tls-unique,,n=user,r=x", F::ChannelBinding),
        (b"p=,,n=user,r=x", F::ChannelBinding),
        (b"n,,m=1,n=user,r=x", F::Extension),
        (b"n,a=other,n=user,r=x", F::Identity),
        (b"n,,n=,r=x", F::Name),
        (b"n,,n=a\x07b,r=x", F::Name),
        ("n,,n=\u{ad},r=x".as_bytes(), F::Name),
        (b"n,a=,n=user,r=x", F::Name),
    ];
    for (first, wanted) in rows {
        let got = ScramExchange::begin(first, OUR_NONCE, &file, &SECRET).map(|_| ());
        assert_eq!(got, Err(*wanted), "{}", String::from_utf8_lossy(first));
    }
    let malformed: &[&[u8]] = &[
        b"",
        b",",
        b",,",
        b"n",
        b"n,",
        b"n,,",
        b"n,,n",
        b"n,,n=user",
        b"n,,n=user,",
        b"n,,n=user,r",
        b"n,,n=user,r=",
        b"n,,n=user,r=a b",
        b"n,,n=user,r=\xc3\xa4",
        b"n,,n=user,r=x,",
        b"n,,n=user,r=x,r=y",
        b"n,,n=user,r=x,t",
        b"n,,n=user,r=x,t=",
        b"n,,n=user,r=x,1=y",
        b"n,,n=user,r=x,p=y",
        b"n,,r=x,n=user",
        b"N,,n=user,r=x",
        b"nn,,n=user,r=x",
        b"n,a,n=user,r=x",
        b"n,x=a,n=user,r=x",
        b"n,,n=a=b,r=x",
        b"n,,n=a=2c,r=x",
        b"n,,n=a=,r=x",
        b"n,,n=a=2,r=x",
        b"n,,n=a=\xe2\x82\xac,r=x",
        b"n,,n=us\0er,r=x",
        b"n,,n=\xff,r=x",
        b"\xff",
        b"n,,x=1,n=user,r=x",
    ];
    for first in malformed {
        let got = ScramExchange::begin(first, OUR_NONCE, &file, &SECRET).map(|_| ());
        assert!(matches!(got, Err(F::Malformed(_))), "{}: {got:?}", String::from_utf8_lossy(first));
    }
}

#[test]
fn a_last_message_that_is_not_of_this_exchange_is_refused() {
    use ScramFault as F;
    let file = example();
    let (exchange, ours) = begin(FIRST, &file).expect("a first message");
    let proof = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let nonce = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    assert!(ours.starts_with(nonce));
    let rows: &[(String, ScramFault)] = &[
        (format!("c=biws,{nonce}x,{proof}"), F::Exchange),
        (format!("c=biws,r=rOprNGfwEbeRWgbNEkqO,{proof}"), F::Exchange),
        (format!("c=biws,r=,{proof}"), F::Exchange),
        // `y,,` where the first message said `n,,`; the same header in another Base64.
        (format!("c=eSws,{nonce},{proof}"), F::Exchange),
        (format!("c=biw,{nonce},{proof}"), F::Exchange),
        (format!("c=,{nonce},{proof}"), F::Exchange),
        // Signed is what is said: one more extension is another message.
        (format!("c=biws,{nonce},x=y,{proof}"), F::Proof),
        (format!("c=biws,{nonce},p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), F::Proof),
    ];
    for (last, wanted) in rows {
        assert_eq!(exchange.finish(last.as_bytes(), &file), Err(*wanted), "{last}");
    }
    let malformed = [
        String::new(),
        "p=".to_owned(),
        proof.to_owned(),
        format!("c=biws,{proof}"),
        format!("{nonce},c=biws,{proof}"),
        format!("c=biws,{nonce}"),
        format!("c=biws,{nonce},p="),
        format!("c=biws,{nonce},p=AAAA"),
        format!("c=biws,{nonce},{proof},x=y"),
        format!("c=biws,{nonce},{proof} "),
        format!("c=biws,{nonce},{}", proof.trim_end_matches('=')),
        format!("c=biws,{nonce},m=1,{proof}"),
        format!("c=biws,{nonce},{proof},{proof}"),
        format!("c=biws\0,{nonce},{proof}"),
    ];
    for last in malformed {
        let got = exchange.finish(last.as_bytes(), &file);
        assert!(matches!(got, Err(F::Malformed(_))), "{last}: {got:?}");
    }
}

#[test]
fn debug_shows_no_key() {
    let (exchange, _) = begin(FIRST, &example()).expect("a first message");
    assert_eq!(format!("{exchange:?}"), "ScramExchange { username: \"user\", .. }");
}
