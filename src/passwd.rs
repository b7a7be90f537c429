//! `nightjar passwd`: mosquitto_passwd's arguments and behaviour.
//!
//! What is different is told in its help: argon2id unless another hash is asked for (as in mosquitto
//! 2.1), the file replaced in one step, and nothing written that a broker would refuse or read
//! otherwise: no empty password, no user name that begins with `#`, no hash hashed again by `-U`.

mod edit;
mod file;
mod prompt;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use acl::{HashAlgorithm, HashFault, PasswordHash, USER_NAME_BYTES_MAX};
use clap::{Args, Parser, ValueHint};

/// Bytes of a password, as MQTT has it [5.0 §3.1.3.6].
const PASSWORD_BYTES_MAX: usize = 65_535;

/// The forms of the command line, each in a line with the program's name in front.
pub(crate) fn usage(program: &str) -> String {
    const FORMS: [&str; 3] = [
        "[-H argon2id|sha512-pbkdf2|sha512|scram-sha-256] [-I ITERATIONS] [-c | -D] FILE USER",
        "[-H ...] [-I ...] [-c] -b FILE USER PASSWORD",
        "[-H ...] [-I ...] -U FILE",
    ];
    FORMS.map(|form| format!("{program} {form}").trim_start().to_owned()).join("\n       ")
}

/// Manage a password file: add a user or set a password
#[derive(Args)]
#[command(
    after_long_help = "The password is asked for twice, or read as two lines from a pipe. FILE must exist unless -c is given. It is replaced in
one step: whoever reads it meanwhile has the old one or the new one.

Hashes:
  argon2id  The default, as mosquitto 2.1 has it. mosquitto 2.0 cannot read it.
  sha512-pbkdf2  For a file that mosquitto 2.0 reads, too.
  sha512  For mosquitto 1.
  scram-sha-256  For users that log in by MQTT 5's enhanced authentication, or by password as ever; no mosquitto
                 reads it.

Exit status:
  0  done
  1  not done; the message says why
  2  the two passwords differ

Examples:
  nightjar passwd -c /etc/nightjar/pwfile cassiamqtt
  nightjar passwd -H sha512-pbkdf2 /etc/mosquitto/passwd gateway"
)]
pub(crate) struct PasswdArgs {
    /// How passwords are hashed: argon2id, sha512-pbkdf2, sha512 or scram-sha-256 [default: argon2id]
    #[arg(short = 'H', value_name = "HASH")]
    hash: Option<String>,
    /// Iterations of sha512-pbkdf2 [default: 1000] or scram-sha-256 [4096 or more; default: 600000]
    #[arg(short = 'I', value_name = "ITERATIONS")]
    iterations: Option<String>,
    /// Take the password from the command line, where other users of this machine may see it
    #[arg(short = 'b')]
    batch: bool,
    /// Create the file, overwriting one that exists; `-` is standard output
    #[arg(short = 'c')]
    create: bool,
    /// Delete the user
    #[arg(short = 'D')]
    delete: bool,
    /// Hash a file of plain `user:password` lines; those that are hashed stay as they are
    #[arg(short = 'U')]
    upgrade: bool,
    /// FILE USER [PASSWORD]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true, value_hint = ValueHint::FilePath)]
    operands: Vec<OsString>,
}

impl fmt::Debug for PasswdArgs {
    /// Without the operands, one of which may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswdArgs").finish_non_exhaustive()
    }
}

/// Why nothing was done; what is said after `Error: `, or `Warning: ` where mosquitto_passwd has that.
#[derive(Debug, thiserror::Error)]
enum PasswdFault {
    #[error("{0}")]
    Arguments(String),
    #[error("{0}")]
    User(&'static str),
    #[error("Empty password.")]
    EmptyPassword,
    #[error("Passwords do not match.")]
    PasswordsDiffer,
    #[error("{0}")]
    Password(&'static str),
    #[error("Corrupt password file at line {line}: {cause}.")]
    Corrupt { line: usize, cause: &'static str },
    #[error("User {0} not found in password file.")]
    UserNotFound(String),
    #[error("{0}")]
    Hash(#[from] HashFault),
    #[error("{what} {path}. {error}.", path = path.display(), error = in_words(error))]
    File { what: &'static str, path: PathBuf, error: io::Error },
    #[error("{what}: {error}")]
    Machine { what: &'static str, error: io::Error },
}

impl PasswdFault {
    /// mosquitto_passwd's exit statuses.
    fn status(&self) -> u8 {
        match self {
            Self::PasswordsDiffer => 2,
            _ => 1,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::UserNotFound(_) => "Warning",
            _ => "Error",
        }
    }
}

/// The system's words without its number for them, as mosquitto_passwd has them.
fn in_words(error: &io::Error) -> String {
    let words = error.to_string();
    words.split_once(" (os error ").map_or(words.as_str(), |(words, _)| words).to_owned()
}

/// mosquitto_passwd's own command line.
#[derive(Parser)]
#[command(name = "mosquitto_passwd", version, about = "manage a password file, as nightjar does by this name", override_usage = usage("mosquitto_passwd"))]
pub(crate) struct MosquittoPasswd {
    #[command(flatten)]
    args: PasswdArgs,
}

/// For a program called `mosquitto_passwd`: the arguments with the program's name in front.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    match MosquittoPasswd::try_parse_from(args) {
        Ok(cli) => main(&cli.args),
        Err(error) => {
            // Where it cannot be printed there is nobody to tell.
            let _ = error.print();
            if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
    }
}

/// Does what was asked. Exit status 0, 2 when the two passwords differ, 1 for everything else, as
/// mosquitto_passwd has it.
pub(crate) fn main(args: &PasswdArgs) -> ExitCode {
    let done = Task::of(args).and_then(Task::carry_out);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{}: {fault}", fault.kind());
            ExitCode::from(fault.status())
        }
    }
}

/// What was asked for, checked. (Not `Debug`: it holds the password.)
enum Task {
    Create { target: Target, user: String, password: Option<Vec<u8>>, hashing: Hashing },
    Set { file: PathBuf, user: String, password: Option<Vec<u8>>, hashing: Hashing },
    Delete { file: PathBuf, user: String },
    Upgrade { file: PathBuf, hashing: Hashing },
}

enum Target {
    StandardOutput,
    File(PathBuf),
}

#[derive(Clone, Copy, Debug)]
struct Hashing {
    algorithm: HashAlgorithm,
    iterations: Option<u32>,
}

impl Task {
    fn of(args: &PasswdArgs) -> Result<Self, PasswdFault> {
        let hashing = Hashing::of(args.hash.as_deref(), args.iterations.as_deref())?;
        let clash = |pair| Err(PasswdFault::Arguments(format!("{pair} cannot be used together.")));
        match (args.create, args.delete, args.upgrade, args.batch) {
            (true, true, _, _) => return clash("-c and -D"),
            (true, _, true, _) => return clash("-c and -U"),
            (_, true, true, _) => return clash("-D and -U"),
            (_, true, _, true) => return clash("-b and -D"),
            (_, _, true, true) => return clash("-b and -U"),
            _ => {}
        }
        match (args.operands.as_slice(), args.batch) {
            ([file], false) if args.upgrade => Ok(Self::Upgrade { file: file.into(), hashing }),
            ([file, user], false) if args.delete => Ok(Self::Delete { file: file.into(), user: text(user)? }),
            ([file, user], false) if !args.upgrade => Self::with_password(args.create, file, user, None, hashing),
            ([file, user, password], true) => Self::with_password(args.create, file, user, Some(password), hashing),
            _ => Err(PasswdFault::Arguments(format!("Wrong number of arguments.\nUsage: {}", usage("")))),
        }
    }

    fn with_password(
        create: bool,
        file: &OsStr,
        user: &OsStr,
        password: Option<&OsString>,
        hashing: Hashing,
    ) -> Result<Self, PasswdFault> {
        let user = new_user_name(user)?;
        hashing.check_name(user.as_bytes())?;
        let password = password.map(|password| checked_password(password.as_encoded_bytes().to_vec())).transpose()?;
        Ok(match (create, file == "-") {
            (true, true) => Self::Create { target: Target::StandardOutput, user, password, hashing },
            (true, false) => Self::Create { target: Target::File(file.into()), user, password, hashing },
            (false, _) => Self::Set { file: file.into(), user, password, hashing },
        })
    }

    fn carry_out(self) -> Result<(), PasswdFault> {
        match self {
            Self::Create { target, user, password, hashing } => {
                let line = format!("{user}:{}\n", hashing.hash(&given_or_asked(password)?)?);
                match target {
                    Target::StandardOutput => say(&line),
                    Target::File(path) => {
                        file::replace(&path, line.as_bytes())?;
                        say(&format!("Adding password for user {user}\n"))
                    }
                }
            }
            Self::Set { file, user, password, hashing } => {
                // Read first: nobody should type a password for a file that is not there.
                edit::set_user(&file::read(&file)?, &user, "")?;
                let hash = hashing.hash(&given_or_asked(password)?)?.to_string();
                let (new, change) = edit::set_user(&file::read(&file)?, &user, &hash)?;
                file::replace(&file, &new)?;
                say(&format!("{change} password for user {user}\n"))
            }
            Self::Delete { file, user } => file::replace(&file, &edit::delete_user(&file::read(&file)?, &user)?),
            Self::Upgrade { file, hashing } => {
                let new = edit::hash_plain(&file::read(&file)?, |name, password| {
                    hashing.check_name(name)?;
                    Ok(hashing.hash(&checked_password(password.to_vec())?)?.to_string())
                })?;
                file::replace(&file, &new)
            }
        }
    }
}

impl Hashing {
    fn of(hash: Option<&str>, iterations: Option<&str>) -> Result<Self, PasswdFault> {
        let algorithm = match hash {
            None => HashAlgorithm::default(),
            Some(name) => {
                name.parse().map_err(|known| PasswdFault::Arguments(format!("Unknown hash type '{name}'; {known}.")))?
            }
        };
        let iterations = match iterations {
            None => None,
            Some(number) => match number.trim().parse() {
                Ok(number @ 1..=acl::PBKDF2_ITERATIONS_MAX) => Some(number),
                _ => {
                    return Err(PasswdFault::Arguments(format!(
                        "Number of iterations must be > 0 and at most {}.",
                        acl::PBKDF2_ITERATIONS_MAX
                    )));
                }
            },
        };
        if iterations.is_some() && !algorithm.has_iterations() {
            // mosquitto_passwd says nothing, and scripts may rely on going on.
            eprintln!(
                "Warning: -I has no effect: only sha512-pbkdf2 (-H sha512-pbkdf2) and scram-sha-256 have iterations."
            );
            return Ok(Self { algorithm, iterations: None });
        }
        Ok(Self { algorithm, iterations })
    }

    /// Whether a user of this name could log in.
    fn check_name(self, name: &[u8]) -> Result<(), PasswdFault> {
        let is_as_prepared =
            || std::str::from_utf8(name).is_ok_and(|name| acl::prepared(name).as_deref() == Some(name));
        if self.algorithm != HashAlgorithm::ScramSha256 || is_as_prepared() {
            return Ok(());
        }
        Err(PasswdFault::User("Username would be another after SASLprep: nobody could log in with it by SCRAM."))
    }

    fn hash(self, password: &[u8]) -> Result<PasswordHash, PasswdFault> {
        let mut salt = vec![0; self.algorithm.salt_bytes()];
        getrandom::fill(&mut salt).map_err(|error| PasswdFault::Machine {
            what: "No random numbers for the salt",
            error: io::Error::other(error.to_string()),
        })?;
        Ok(PasswordHash::create(self.algorithm, self.iterations, password, &salt)?)
    }
}

/// A name that a password file can hold and that every broker reads back as it is.
fn new_user_name(name: &OsStr) -> Result<String, PasswdFault> {
    let name = text(name)?;
    let fault = if name.is_empty() {
        "Username must not be empty."
    } else if name.len() > USER_NAME_BYTES_MAX {
        "Username must be less than 65536 characters long."
    } else if name.contains(char::is_control) {
        "Username must not contain control characters."
    } else if name.contains(':') {
        "Username must not contain the ':' character."
    } else if name.starts_with('#') {
        "Username must not begin with '#': its line would be a comment."
    } else if name.trim() != name {
        "Username must not begin or end with a blank: the broker would not see it."
    } else {
        return Ok(name);
    };
    Err(PasswdFault::User(fault))
}

fn text(name: &OsStr) -> Result<String, PasswdFault> {
    name.to_str().map(str::to_owned).ok_or(PasswdFault::User("Username must be UTF-8, as MQTT has it."))
}

fn given_or_asked(password: Option<Vec<u8>>) -> Result<Vec<u8>, PasswdFault> {
    match password {
        Some(password) => Ok(password),
        None => checked_password(prompt::new_password()?),
    }
}

fn checked_password(password: Vec<u8>) -> Result<Vec<u8>, PasswdFault> {
    if password.is_empty() {
        Err(PasswdFault::EmptyPassword)
    } else if password.len() > PASSWORD_BYTES_MAX {
        Err(PasswdFault::Password("Password must be less than 65536 characters long."))
    } else if password.contains(&0) {
        Err(PasswdFault::Password("Password must not contain a zero byte: mosquitto would read it as the end."))
    } else {
        Ok(password)
    }
}

fn say(text: &str) -> Result<(), PasswdFault> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| PasswdFault::Machine { what: "Unable to write to standard output", error })
}

/// Names the file and what was being done to it.
fn file_fault(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PasswdFault {
    let path = path.to_owned();
    move |error| PasswdFault::File { what, path, error }
}
