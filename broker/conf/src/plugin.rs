//! Plugins as they are written, read and checked as mosquitto does it. None is ever loaded: they are made for
//! mosquitto's own memory.

use crate::draft::Draft;
use crate::fault::shown;
use crate::lines::{Line, VALUE_BYTES_MAX, text_of};
use crate::{ConfigError, Fault, Located, OptionSpec, values};

/// One line that names a plugin.
#[derive(Clone)]
pub(crate) struct PluginDraft {
    /// The option, as it was written, and where.
    pub(crate) option: Located<String>,
    /// Given by `plugin_load` alone.
    pub(crate) name: Option<String>,
}

/// For each plugin that is written well, that it is not carried out.
pub(crate) fn check(plugins: &[PluginDraft]) -> Vec<ConfigError> {
    let not_yet = |plugin: &PluginDraft| ConfigError {
        at: Some(plugin.option.at.clone()),
        included_at: None,
        fault: Fault::NotYet { name: plugin.option.value.clone(), instead: None }.into(),
    };
    plugins.iter().map(not_yet).collect()
}

pub(crate) fn plugin(draft: &mut Draft, _: &OptionSpec, line: &Line) -> Result<(), Fault> {
    load(draft, line, None, line.text())
}

pub(crate) fn global_plugin(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    plugin(draft, option, line)
}

pub(crate) fn plugin_load(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let name = values::word(option.name, line)?;
    let after = line.text().and_then(|text| text.strip_prefix(name)).unwrap_or_default();
    load(draft, line, Some(name), Some(after.trim()).filter(|path| !path.is_empty()))
}

fn load(draft: &mut Draft, line: &Line, name: Option<&str>, path: Option<&str>) -> Result<(), Fault> {
    if draft.plugins.iter().any(|plugin| name.is_some() && plugin.name.as_deref() == name) {
        let name = shown(name.unwrap_or_default());
        return Err(Fault::told(format!("Duplicate plugin name '{name}'."), "Give it another name."));
    }
    if path.is_none() {
        // mosquitto prints what its C library makes of no name.
        let name = shown(name.unwrap_or("(null)"));
        return Err(Fault::told(format!("Missing plugin path for plugin name '{name}'."), "Write the path after it."));
    }
    let option = draft.located(line.name.to_owned());
    draft.plugins.push(PluginDraft { option, name: name.map(str::to_owned) });
    draft.has_plugin = true;
    Ok(())
}

pub(crate) fn plugin_use(draft: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let name = text_of(option.name, line, VALUE_BYTES_MAX)?;
    if draft.plugins.iter().any(|plugin| plugin.name.as_deref() == Some(name)) {
        draft.has_plugin = true;
        return Ok(());
    }
    Err(Fault::told(format!("Plugin '{}' not previously loaded.", shown(name)), "Load it above with 'plugin_load'."))
}

pub(crate) fn plugin_opt(_: &mut Draft, _: &OptionSpec, line: &Line) -> Result<(), Fault> {
    let key = ["plugin_opt_", "auth_opt_"].iter().find_map(|begin| line.name.strip_prefix(begin)).unwrap_or_default();
    if key.len() < 3 {
        return Err(Fault::told("Invalid 'plugin_opt_' config option.", "Its name needs three letters or more."));
    }
    // The value may be blanks: it is the plugin's to say what it takes.
    if line.rest.is_empty() { Err(Fault::Empty { name: shown(key) }) } else { Ok(()) }
}

pub(crate) fn deny_special_chars(_: &mut Draft, option: &OptionSpec, line: &Line) -> Result<(), Fault> {
    values::boolean(option.name, line).map(|_| ())
}

#[cfg(test)]
mod tests {
    use crate::{InMemory, Overrides, parse};
    use std::path::Path;

    #[test]
    fn what_is_wrong_with_a_plugin_is_said_in_mosquittos_words_and_a_good_one_is_not_carried_out() {
        let rows = [
            (
                "plugin_opt_inval string",
                "Error: The 'plugin_opt_inval' option requires plugin/global_plugin/plugin_load to be defined first.",
            ),
            (
                "auth_plugin_deny_special_chars true",
                "Error: An auth_plugin_deny_special_chars option exists in the config file without a plugin.",
            ),
            ("plugin a.so\nplugin_opt_ string", "Error: Invalid 'plugin_opt_' config option."),
            ("plugin a.so\nauth_opt_test", "Error: Empty 'test' value in configuration."),
            (
                "plugin a.so\nauth_plugin_deny_special_chars perhaps",
                "Error: Invalid 'auth_plugin_deny_special_chars' value (perhaps).",
            ),
            ("plugin", "Error: Missing plugin path for plugin name '(null)'."),
            ("plugin_load", "Error: Empty 'plugin_load' value in configuration."),
            ("plugin_load a", "Error: Missing plugin path for plugin name 'a'."),
            ("plugin_load a x.so\nplugin_load a y.so", "Error: Duplicate plugin name 'a'."),
            ("plugin_use a", "Error: The 'plugin_use' option requires a listener to be defined first."),
            ("listener 1\nplugin_use a", "Error: Plugin 'a' not previously loaded."),
            (
                "plugin_load a x.so\nlistener 1\nplugin_use a\nplugin_opt_file f",
                "Error: 'plugin_load' is an option of mosquitto that nightjar does not",
            ),
            ("auth_plugin a.so", "Error: 'auth_plugin' is an option of mosquitto that nightjar does not"),
            (
                "global_plugin a.so\nplugin_opt_file f",
                "Error: 'global_plugin' is an option of mosquitto that nightjar does not",
            ),
            (
                "per_listener_settings true\nplugin a.so",
                "Error: The 'plugin' option requires a listener to be defined first.",
            ),
            (
                "plugin a.so\nper_listener_settings true",
                "Error: per_listener_settings must be set before any other security settings.",
            ),
        ];
        for (text, wanted) in rows {
            let mut files = InMemory::one("m.conf", text);
            let error =
                parse(Some(Path::new("m.conf")), &mut files, &Overrides::default()).expect_err(text).to_string();
            assert!(error.starts_with(wanted), "{text:?}: {error}");
        }
    }
}
