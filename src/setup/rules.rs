//! Password and ACL files: each is read once, however many listeners name it, and each listener gets its own.
//!
//! What stands in them is `acl`'s; who is asked by which rules is `broker-core`'s.

use std::path::PathBuf;
use std::sync::Arc;

use acl::{Acl, PasswordFile};
use broker_conf::{Listener, Located, SocketDomain};
use broker_core::{ListenerRules, RuleSets};

use super::{SetupError, parsed, path_of};

/// By the numbers of the listeners; of the sets of rules the places are those of their files.
pub(super) struct Rules {
    pub rules: RuleSets,
    pub acl_files: Vec<Option<PathBuf>>,
    pub passwords: Vec<Option<Arc<PasswordFile>>>,
}

/// What was read so far.
#[derive(Default)]
pub(super) struct Files {
    acls: Vec<(Option<PathBuf>, Arc<Acl>)>,
    passwords: Vec<(PathBuf, Option<Arc<PasswordFile>>)>,
}

/// Of the listeners for MQTT by their numbers, `None` where a number is free. What is wrong goes to `errors`, once for a
/// file; what is given back is not used then.
pub(super) fn rules<'a>(
    slots: impl Iterator<Item = Option<&'a Listener>>,
    files: &mut Files,
    errors: &mut Vec<SetupError>,
    warnings: &mut Vec<String>,
) -> Rules {
    let (mut listeners, mut passwords) = (Vec::new(), Vec::new());
    for listener in slots {
        let Some(listener) = listener else {
            listeners.push(ListenerRules { name: Arc::from(""), set: 0 });
            passwords.push(None);
            continue;
        };
        let set = files.set(listener, errors, warnings);
        listeners.push(ListenerRules { name: name(listener), set });
        passwords.push(files.passwords(listener, errors));
    }
    let sets = files.acls.iter().map(|(_, acl)| Arc::clone(acl)).collect();
    let acl_files = files.acls.iter().map(|(file, _)| file.clone()).collect();
    Rules { rules: RuleSets { sets, listeners }, acl_files, passwords }
}

impl Files {
    pub(super) fn acl(
        &mut self,
        listener: &Listener,
        errors: &mut Vec<SetupError>,
        warnings: &mut Vec<String>,
    ) -> Arc<Acl> {
        let set = self.set(listener, errors, warnings);
        Arc::clone(&self.acls[set].1)
    }

    /// Its place.
    fn set(&mut self, listener: &Listener, errors: &mut Vec<SetupError>, warnings: &mut Vec<String>) -> usize {
        let file = listener.acl_file.as_ref();
        let path = path_of(file);
        if let Some(read) = self.acls.iter().position(|(read, _)| *read == path) {
            return read;
        }
        let acl = acl_of(file).unwrap_or_else(|error| {
            errors.push(error);
            Acl::nothing()
        });
        if let Some(path) = &path {
            warnings.extend(acl.warnings().iter().map(|warning| format!("{}, {warning}", path.display())));
        }
        self.acls.push((path, Arc::new(acl)));
        self.acls.len() - 1
    }

    pub(super) fn passwords(&mut self, listener: &Listener, errors: &mut Vec<SetupError>) -> Option<Arc<PasswordFile>> {
        let file = listener.password_file.as_ref()?;
        if let Some((_, read)) = self.passwords.iter().find(|(read, _)| *read == file.value) {
            return read.clone();
        }
        let read = parsed(file, "password_file", PasswordFile::parse).map(Arc::new);
        let read = read.map_err(|error| errors.push(error)).ok();
        self.passwords.push((file.value.clone(), read.clone()));
        read
    }
}

/// The rules of an ACL file; without one everything is allowed.
pub(crate) fn acl_of(file: Option<&Located<PathBuf>>) -> Result<Acl, SetupError> {
    file.map_or_else(|| Ok(Acl::open()), |file| parsed(file, "acl_file", Acl::parse))
}

/// As the store calls it: what makes it the same listener after a restart, its port first.
fn name(listener: &Listener) -> Arc<str> {
    if let Some(path) = &listener.unix {
        return path.display().to_string().into();
    }
    let mut name = listener.port.to_string();
    let domain = match listener.socket_domain {
        SocketDomain::Any => None,
        SocketDomain::Ipv4 => Some("ipv4"),
        SocketDomain::Ipv6 => Some("ipv6"),
    };
    let interface = listener.interface.as_ref().map(|interface| interface.value.as_str());
    for part in [listener.address.as_deref(), domain, interface].into_iter().flatten() {
        name.push(' ');
        name.push_str(part);
    }
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_files::OnDisk;
    use std::fs;

    #[test]
    fn a_file_is_read_once_however_many_listeners_name_it_and_what_is_wrong_with_it_is_told_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name).display().to_string();
        let (acl, pw, conf) = (at("acl"), at("pw"), at("mosquitto.conf"));
        let text = format!(
            "per_listener_settings true\nlistener 1 127.0.0.1\nacl_file {acl}\npassword_file {pw}\nlistener 2\n\
             listener 3\nsocket_domain ipv6\nacl_file {acl}\nlistener 0 /run/x\npassword_file {pw}\n\
             listener 4\nprotocol http_api\nacl_file {acl}\npassword_file {pw}\n"
        );
        fs::write(&conf, text).expect("a file");
        for (is_good, rules_text) in [(true, "topic read #\n"), (false, "nonsense\n")] {
            fs::write(&acl, rules_text).expect("a file");
            fs::write(&pw, if is_good { "" } else { "nonsense\n" }).expect("a file");
            let settings = broker_conf::parse(Some(conf.as_ref()), &mut OnDisk, &broker_conf::Overrides::default());
            let settings = settings.expect("a configuration");
            let (mut files, mut errors, mut warnings) = (Files::default(), Vec::new(), Vec::new());
            let slots = std::iter::once(None).chain(settings.listeners.iter().map(Some));
            let Rules { rules, acl_files, passwords } = rules(slots, &mut files, &mut errors, &mut warnings);
            let http = &settings.http_listeners[0];
            let (http_acl, http_passwords) =
                (files.acl(http, &mut errors, &mut warnings), files.passwords(http, &mut errors));
            assert_eq!(errors.len(), if is_good { 0 } else { 2 }, "{errors:?}");
            if !is_good {
                continue;
            }
            let named: Vec<_> = rules.listeners.iter().map(|listener| (&*listener.name, listener.set)).collect();
            assert_eq!(named, [("", 0), ("1 127.0.0.1", 0), ("2", 1), ("3 ipv6", 0), ("/run/x", 1)]);
            assert_eq!((rules.sets.len(), acl_files), (2, vec![Some(acl.clone().into()), None]));
            assert!(Arc::ptr_eq(&rules.sets[0], &http_acl) && rules.sets[1].is_open());
            assert_eq!(passwords.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false, false, true]);
            let same = http_passwords.zip(passwords[1].clone()).zip(passwords[4].clone());
            assert!(same.is_some_and(|((one, two), three)| Arc::ptr_eq(&one, &two) && Arc::ptr_eq(&two, &three)));
        }
    }
}
