//! Plugins, none of which nightjar can load: they are made for mosquitto's own memory.

use super::{OptionSpec, PLAIN, Reload, Scope, Takes};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "plugin",
        aliases: &["auth_plugin"],
        scope: Scope::Security,
        takes: Takes::Path,
        default: "none",
        repeatable: true,
        reload: Reload::No,
        means: "Loads a plugin.",
        ..PLAIN
    },
    OptionSpec {
        name: "global_plugin",
        takes: Takes::Path,
        default: "none",
        repeatable: true,
        reload: Reload::No,
        means: "Loads a plugin for all listeners.",
        ..PLAIN
    },
    OptionSpec {
        name: "plugin_load",
        takes: Takes::Form("a name and a path"),
        default: "none",
        repeatable: true,
        reload: Reload::No,
        means: "Loads a plugin under a name without using it yet.",
        ..PLAIN
    },
    OptionSpec {
        name: "plugin_use",
        scope: Scope::Listener,
        takes: Takes::Form("a name"),
        default: "none",
        repeatable: true,
        reload: Reload::No,
        means: "Uses a plugin that plugin_load loaded for this listener.",
        ..PLAIN
    },
    OptionSpec {
        name: "plugin_opt_*",
        aliases: &["auth_opt_*"],
        scope: Scope::Plugin,
        default: "none",
        repeatable: true,
        reload: Reload::No,
        means: "An option of the plugin above.",
        ..PLAIN
    },
    OptionSpec {
        name: "auth_plugin_deny_special_chars",
        scope: Scope::Plugin,
        takes: Takes::Bool,
        default: "true",
        reload: Reload::No,
        means: "Refuse user names and Client Identifiers with + or # before the plugin is asked.",
        ..PLAIN
    },
];
