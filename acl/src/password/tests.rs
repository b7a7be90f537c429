//! Hashes that others made, and what is not a hash.

use super::*;

/// Source, hash, password.
const VECTORS: [(&str, &str, &str); 9] = [
    (
        "mosquitto_passwd 2.0.11 -H sha512",
        "$6$EfWQDxrdrfmdFTmD$KPJ3Bsra8xEwqCp1yto9PFGmFqtUMlOxV2Hl1taXXrXeP8KRIz6aYpeEtU4PFxaRLT92fZ/ubxIZGP58mbR5Ew==",
        "correct horse",
    ),
    (
        "mosquitto_passwd 2.0.11",
        "$7$101$1jlWVUHT4+32r7xP$M3CTjWvBsW7QJ0i9GEzi90wvAueE/fCLReTPBQMhIlVG/+FV97Vk/BbriPqJYNp6clHD2c3OhfUM3a4N44Ti6g==",
        "cassiamqtt",
    ),
    (
        "mosquitto_passwd 2.0.11 -I 1000",
        "$7$1000$R7hyWB0DFAJXoJLb$KlVrjejL3DEqSfFWk8z5eXGDwNKaFcbABOO56fdsjkS/VXzBFc2nq6qGLAguFHBxtCunZQwDJ72OiFEYXUhWgw==",
        "pässwörd",
    ),
    (
        "mosquitto_passwd 2.0.11, the password read from a pipe",
        "$7$101$TYcIWgWthEYExjuY$qNVyBiDWtI0Fl8qucCxNuBo7FOyrdxf74cZfJ+ifiRpzM1Ev+eQI3YcX4Y4sfxeMBWxPRf15Tu+so8SZeW4SBg==",
        "a",
    ),
    (
        "argon2 (libargon2's program) -id -t 1 -k 47104 -p 1 -l 64, a salt of 16 bytes",
        "$argon2id$v=19$m=47104,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$KRrxzgGxJ7BkE/K5HCsFpPlnV2R3HbpUm5cLo2uQ/OGnAVKRvf9T8Q5T/FITL6/BEnSmCeM8nMBUya/cpKuLlQ",
        "correct horse",
    ),
    (
        "the same, a salt of 64 bytes: the form that mosquitto 2.1 writes",
        "$argon2id$v=19$m=47104,t=1,p=1$MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMw$OlSNj3UHYV9b83jFqfGWrtSXhMB9OBj+RATA0ECVCuWTMWyo5c0XV5PYEZwTSjFew2Pvw622V/Mov4h8ZlBkSg",
        "correct horse",
    ),
    (
        "argon2 -id -t 3 -k 1024 -p 4 -l 32",
        "$argon2id$v=19$m=1024,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA$4+kDXugxe4WEmqTYxvcNZcWYkmWWl3mAK2rRvRDNbCE",
        "x",
    ),
    (
        "scramp 1.5.0 (PyPI), the password and salt of RFC 7677",
        "$scram-sha-256$4096$W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=$wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        "pencil",
    ),
    (
        "scramp 1.5.0, which prepared it from a password with a SOFT HYPHEN and a ROMAN NUMERAL NINE",
        "$scram-sha-256$10000$AAECAwQFBgcICQoLDA0ODw==$VruDJfrLHmhleAr9kHJlRtYXhNBjFuC7ohqLk0Io4p8=$wic91dkizlBzQe730P58gtc5NPzqbuX+YNTJyyuQSk0=",
        "p\u{e4}ss\u{ad}w\u{f6}rd \u{2168}",
    ),
];

#[test]
fn hashes_that_others_made_verify_their_password_and_no_other() {
    for (source, hash, password) in VECTORS {
        let parsed = PasswordHash::parse(hash).unwrap_or_else(|fault| panic!("{source}: {fault}"));
        assert!(parsed.verify(password.as_bytes()), "{source}");
        for wrong in ["", "x ", "Correct horse", "cassiamqtt\n"] {
            assert!(!parsed.verify(wrong.as_bytes()), "{source}: {wrong:?}");
        }
    }
}

#[test]
fn a_hash_is_written_as_it_was_read() {
    for (source, hash, _) in VECTORS {
        assert_eq!(PasswordHash::parse(hash).expect(source).to_string(), hash, "{source}");
    }
}

/// The salts of others, so that not only we say that what we make is right.
#[test]
fn a_hash_that_we_make_is_the_one_that_others_make_of_the_same_salt() {
    let rows = [
        (HashAlgorithm::Sha512, None, VECTORS[0]),
        (HashAlgorithm::Sha512Pbkdf2, Some(101), VECTORS[1]),
        (HashAlgorithm::Sha512Pbkdf2, None, VECTORS[2]),
        (HashAlgorithm::Argon2id, None, VECTORS[5]),
        (HashAlgorithm::ScramSha256, Some(4096), VECTORS[7]),
        (HashAlgorithm::ScramSha256, Some(10_000), VECTORS[8]),
    ];
    for (algorithm, iterations, (source, hash, password)) in rows {
        let salt = PasswordHash::parse(hash).expect(source).salt;
        assert_eq!(salt.len(), algorithm.salt_bytes(), "{source}");
        let ours = PasswordHash::create(algorithm, iterations, password.as_bytes(), &salt).expect(source);
        assert_eq!(ours.to_string(), hash, "{source}");
    }
}

#[test]
fn what_is_not_exactly_a_hash_is_refused_with_its_cause() {
    let hash64 = STANDARD.encode([7; 64]);
    let salt12 = STANDARD.encode([7; 12]);
    let key = STANDARD.encode([7; 32]);
    let scram = |rest: &str| format!("$scram-sha-256${rest}");
    let argon2 = |parameters: &str| {
        format!("$argon2id${parameters}$c2FsdHNhbHRzYWx0c2FsdA$4+kDXugxe4WEmqTYxvcNZcWYkmWWl3mAK2rRvRDNbCE")
    };
    let rows = [
        (String::new(), HashFault::NotAHash),
        ("secret".into(), HashFault::NotAHash),
        ("$ecret".into(), HashFault::NotAHash),
        ("$1$salt$hash".into(), HashFault::UnknownKind),
        (format!("$2b${salt12}${hash64}"), HashFault::UnknownKind),
        ("$6$".into(), HashFault::Parts),
        (format!("$6${salt12}"), HashFault::Parts),
        (format!("$6${salt12}${hash64}$"), HashFault::Parts),
        (format!("$7${salt12}${hash64}"), HashFault::Parts),
        (format!("$6$${hash64}"), HashFault::Salt),
        (format!("$6$?${hash64}"), HashFault::Salt),
        (format!("$6${}${hash64}", STANDARD.encode([7; 65])), HashFault::Salt),
        (format!("$6${salt12}$"), HashFault::Hash),
        (format!("$6${salt12}${}", STANDARD.encode([7; 63])), HashFault::Hash),
        (format!("$6${salt12}${}", &hash64[..hash64.len() - 1]), HashFault::Hash),
        (format!("$7$0${salt12}${hash64}"), HashFault::Iterations),
        (format!("$7$-1${salt12}${hash64}"), HashFault::Iterations),
        (format!("$7$0101${salt12}${hash64}"), HashFault::Iterations),
        (format!("$7$+1${salt12}${hash64}"), HashFault::Iterations),
        (format!("$7$$${hash64}"), HashFault::Iterations),
        (format!("$7$2000001${salt12}${hash64}"), HashFault::Iterations),
        (format!("$7$99999999999${salt12}${hash64}"), HashFault::Iterations),
        (scram(&format!("4096${salt12}${key}")), HashFault::Parts),
        (scram(&format!("4096${salt12}${key}${key}$")), HashFault::Parts),
        (scram(&format!("4096${}${key}${key}", STANDARD.encode([7; 7]))), HashFault::Salt),
        (scram(&format!("4096${salt12}${key}${}", STANDARD.encode([7; 31]))), HashFault::Hash),
        (scram(&format!("4096${salt12}${}${}", STANDARD.encode([7; 33]), STANDARD.encode([7; 31]))), HashFault::Hash),
        (scram(&format!("4096${salt12}${key}${}", key.trim_end_matches('='))), HashFault::Hash),
        (scram(&format!("4095${salt12}${key}${key}")), HashFault::ScramIterations),
        (scram(&format!("04096${salt12}${key}${key}")), HashFault::ScramIterations),
        (scram(&format!("2000001${salt12}${key}${key}")), HashFault::ScramIterations),
        (argon2("v=16$m=1024,t=3,p=4"), HashFault::Argon2Parameters),
        (argon2("v=19$m=1024,t=3"), HashFault::Argon2Parameters),
        (argon2("v=19$m=1024,t=3,p=4,x=1"), HashFault::Argon2Parameters),
        (argon2("v=19$m=262145,t=1,p=1"), HashFault::Argon2Parameters),
        (argon2("v=19$m=262144,t=5,p=1"), HashFault::Argon2Parameters),
        (argon2("v=19$m=8,t=4294967295,p=1"), HashFault::Argon2Parameters),
        (argon2("v=19$m=8,t=1,p=2"), HashFault::Argon2Parameters),
        (argon2("v=19$m=1024,t=1,p=17"), HashFault::Argon2Parameters),
        (argon2("v=19$m=1024,t=0,p=1"), HashFault::Argon2Parameters),
    ];
    for (text, wanted) in rows {
        assert_eq!(PasswordHash::parse(&text).map(|hash| hash.to_string()), Err(wanted), "{text}");
    }
}

#[test]
fn the_costliest_hashes_within_the_limits_are_read() {
    let (salt, hash) = (STANDARD.encode([7; 12]), STANDARD.encode([7; 64]));
    assert!(PasswordHash::parse(&format!("$7${PBKDF2_ITERATIONS_MAX}${salt}${hash}")).is_ok());
    let (salt, hash) = (STANDARD_NO_PAD.encode([7; 64]), STANDARD_NO_PAD.encode([7; 64]));
    assert!(PasswordHash::parse(&format!("$argon2id$v=19$m=262144,t=4,p=16${salt}${hash}")).is_ok());
}

#[test]
fn iterations_are_taken_where_there_are_any_and_within_their_limit() {
    let create = |algorithm, iterations| PasswordHash::create(algorithm, iterations, b"x", &[7; 12]).map(|_| ());
    assert_eq!(create(HashAlgorithm::Sha512, Some(1)), Err(HashFault::NoIterations));
    assert_eq!(create(HashAlgorithm::Argon2id, Some(1)), Err(HashFault::NoIterations));
    assert_eq!(create(HashAlgorithm::Sha512Pbkdf2, Some(0)), Err(HashFault::Iterations));
    assert_eq!(create(HashAlgorithm::Sha512Pbkdf2, Some(PBKDF2_ITERATIONS_MAX + 1)), Err(HashFault::Iterations));
    assert_eq!(create(HashAlgorithm::Sha512Pbkdf2, Some(1)), Ok(()));
    assert_eq!(PasswordHash::create(HashAlgorithm::Sha512, None, b"x", &[7; 7]).map(|_| ()), Err(HashFault::Salt));
}

#[test]
fn scram_takes_iterations_within_its_own_limits_and_only_passwords_that_a_client_can_say() {
    let create = |iterations, password: &[u8]| {
        PasswordHash::create(HashAlgorithm::ScramSha256, Some(iterations), password, &[7; 16]).map(|_| ())
    };
    assert_eq!(create(SCRAM_ITERATIONS_MIN, b"x"), Ok(()));
    assert_eq!(create(SCRAM_ITERATIONS_MIN - 1, b"x"), Err(HashFault::ScramIterations));
    assert_eq!(create(PBKDF2_ITERATIONS_MAX + 1, b"x"), Err(HashFault::ScramIterations));
    // Not UTF-8; a control character; a letter from right to left within others [RFC 4013 §2]; nothing.
    for password in [&b"\xff"[..], b"a\x07", "a\u{627}b".as_bytes(), "\u{ad}".as_bytes()] {
        assert_eq!(create(SCRAM_ITERATIONS_MIN, password), Err(HashFault::NotPrepared), "{password:?}");
    }
}

#[test]
fn debug_shows_neither_salt_nor_hash() {
    let hash = PasswordHash::parse(VECTORS[1].1).expect("a hash");
    assert_eq!(format!("{hash:?}"), "PasswordHash(Pbkdf2 { iterations: 101 })");
}
