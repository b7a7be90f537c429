//! What is read again while the broker runs: everything at SIGHUP, certificates when they change on the disk. A
//! configuration is read and checked whole before any of it counts; a bad one changes nothing, and the log says why.

use broker_conf::Settings;

use crate::config_files::OnDisk;
use crate::run::{Running, cannot_log, say_included, warn};
use crate::setup;
use crate::watch::Watch;

impl Running {
    /// SIGHUP.
    pub(crate) fn reload(&mut self) {
        tracing::info!(target: "information", "Reloading config.");
        self.notify.reloading();
        if let Err(errors) = self.take_over() {
            complain(&errors);
            tracing::error!(target: "error", "Nothing was reloaded: the appliance goes on with what it had.");
            self.reopen_log();
        }
        self.notify.ready("Running");
    }

    fn take_over(&mut self) -> Result<(), Vec<String>> {
        let read = broker_conf::parse(self.wish_config.as_deref(), &mut OnDisk, &self.overrides)
            .map_err(|error| vec![error.to_string()])?;
        let certificates = Watch::of(read.listeners.iter().chain(&read.http_listeners));
        let mut warnings = Vec::new();
        let prepared = setup::reloaded(&self.slots, &self.settings, &read, Some(&self.handle), &mut warnings);
        let mut prepared = prepared.map_err(|errors| errors.into_iter().map(|e| e.0).collect::<Vec<_>>())?;
        // The last thing that may fail: from here on all of it counts.
        self.log.change(&read.log).map_err(|error| vec![cannot_log(&read, &error)])?;
        say_included(&read);
        for warning in &read.warnings {
            tracing::warn!(target: "warning", "{warning}");
        }
        warn(&warnings);
        self.extras.apply(&mut prepared.reloaded.settings);
        self.slots = prepared.hand_over(&self.handle);
        let before = &self.settings;
        self.settings = Settings {
            // These count only at a start.
            user: before.user.clone(),
            pid_file: before.pid_file.clone(),
            persistence: before.persistence.clone(),
            ..read
        };
        self.certificates = certificates;
        Ok(())
    }

    /// Looks whether certificates have changed on the disk, and reads them again if so.
    pub(crate) fn look_at_certificates(&mut self) {
        if !self.certificates.look() {
            return;
        }
        let mut warnings = Vec::new();
        match setup::protections(&self.slots, &self.settings, &mut warnings) {
            Ok(protections) => {
                self.handle.protect(protections.listeners, protections.http);
                tracing::info!(target: "information", "Certificates have changed on the disk: the new ones count from now on.");
            }
            Err(errors) => {
                complain(&errors.into_iter().map(|error| error.0).collect::<Vec<_>>());
                tracing::error!(target: "error",
                    "Certificates have changed on the disk and cannot be used: the old ones go on.");
            }
        }
        warn(&warnings);
    }
}

fn complain(errors: &[String]) {
    for line in errors.iter().flat_map(|error| error.lines()) {
        tracing::error!(target: "error", "{line}");
    }
}
