//! Plugins, none of which nightjar can load: they are made for mosquitto's own memory. Their lines are checked whole.

use super::{Carry, OptionSpec, PLAIN, Reload, Scope, Takes};
use crate::plugin::{deny_special_chars, global_plugin, plugin, plugin_load, plugin_opt, plugin_use};

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
        carry: Carry::Own(plugin),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "global_plugin",
        takes: Takes::Path,
        default: "none",
        repeatable: true,
        reload: Reload::No,
        means: "Loads a plugin for all listeners.",
        carry: Carry::Own(global_plugin),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "plugin_load",
        takes: Takes::Form("a name and a path"),
        default: "none",
        repeatable: true,
        reload: Reload::No,
        means: "Loads a plugin under a name without using it yet.",
        carry: Carry::Own(plugin_load),
        later: true,
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
        carry: Carry::Own(plugin_use),
        later: true,
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
        carry: Carry::Own(plugin_opt),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "auth_plugin_deny_special_chars",
        scope: Scope::Plugin,
        takes: Takes::Bool,
        default: "true",
        reload: Reload::No,
        means: "Refuse user names and Client Identifiers with + or # before the plugin is asked.",
        carry: Carry::Own(deny_special_chars),
        later: true,
        ..PLAIN
    },
];
