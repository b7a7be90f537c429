//! docs/options.md is made from the table of options, and this keeps it so.

#![expect(clippy::disallowed_methods, reason = "the room is pure; this test looks after a page beside it")]

use std::fs;
use std::path::PathBuf;

use broker_conf::{Status, manual, manual_of_what_cannot, options};

/// Set to write the page instead of comparing it.
const WRITE: &str = "NIGHTJAR_WRITE_MANUAL";

const HOW: &str = "NIGHTJAR_WRITE_MANUAL=1 cargo test -p broker-conf --test manual_page";

fn page() -> String {
    let count = |wanted: fn(Status) -> bool| options().iter().filter(|option| wanted(option.status())).count();
    format!(
        "# Options of mosquitto.conf\n\n\
         <!-- Made from the table in broker/conf/src/table by `{HOW}`: change that, not this. -->\n\n\
         Every option of mosquitto 2.1.2: {all} rows, of which {carried} are carried out, {ignored} are ignored for\n\
         the reason given, and {not_yet} stop the start with file and line, unless they ask for what is done anyway;\n\
         {cannot} of them [for good](#what-cannot-be-carried-out).\n\n\
         *Where*: of the whole broker; of the `listener` above the line; of the `connection` or `plugin` above it.\n\
         *SIGHUP*: whether a new value counts then. mosquitto 2.1.2 applies fewer: it neither opens nor closes listeners, and\n\
         keeps most limits. A listener may get or lose TLS, get another protocol or another address of its port: who could still\n\
         come in as it did stays, who could not is disconnected (without TLS where there is TLS now, with TLS where there is none any\n\
         more, without a certificate where one is required now, by an address that is no longer listened at, past a proxy that is\n\
         expected now). So is who goes by a user name that would have to be proved in another way, and whose topics another\n\
         `mount_point` stands in front of. If anything fails all of it stays as it was. The certificates of connected clients are\n\
         verified again, with dates, authorities and lists as they are then, and so are pre-shared keys; that is done as well when a\n\
         file of certificates or a list changes on the disk. Who would no longer be let in is disconnected (5.0: 0x87), the log says\n\
         why, and the others notice nothing.\n\
         *In nightjar*: what \"yes\" does not yet cover is in [README.md](../README.md#what-does-not-work-yet).\n\n\
         {table}\n\
         ## What cannot be carried out\n\n\
         {what_cannot}",
        all = options().len(),
        carried = count(|status| status == Status::Carried),
        ignored = count(|status| matches!(status, Status::Ignored(_))),
        not_yet = count(|status| matches!(status, Status::NotYet | Status::Cannot(_))),
        cannot = count(|status| matches!(status, Status::Cannot(_))),
        what_cannot = manual_of_what_cannot(),
        table = manual(),
    )
}

#[test]
fn the_page_of_options_is_what_the_table_says() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/options.md");
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, page()).expect("the page can be written");
    }
    let written = fs::read_to_string(&path).expect("docs/options.md is there");
    let first_other =
        page().lines().zip(written.lines()).find(|(made, written)| made != written).map(|(made, _)| made.to_owned());
    assert!(written == page(), "docs/options.md is out of date, first at {first_other:?}. Write it again with: {HOW}");
}
