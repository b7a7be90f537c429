//! `filter_name`: names of devices, whole or with one `*`.

use std::str::FromStr;

use super::FilterFault;

/// `TH-07`, `TH-*`, `*-07`; `*` alone is every packet that has a name. A comma cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// The whole name.
    Whole(Box<str>),
    /// How it begins.
    Prefix(Box<str>),
    /// How it ends.
    Suffix(Box<str>),
}

impl NamePattern {
    /// Whether `name` is one of these.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Whole(whole) => **whole == *name,
            Self::Prefix(prefix) => name.starts_with(&**prefix),
            Self::Suffix(suffix) => name.ends_with(&**suffix),
        }
    }
}

impl FromStr for NamePattern {
    type Err = FilterFault;

    fn from_str(text: &str) -> Result<Self, FilterFault> {
        let pattern = match (text.strip_suffix('*'), text.strip_prefix('*')) {
            (Some(prefix), _) => Self::Prefix(prefix.into()),
            (None, Some(suffix)) => Self::Suffix(suffix.into()),
            (None, None) => Self::Whole(text.into()),
        };
        let (Self::Whole(rest) | Self::Prefix(rest) | Self::Suffix(rest)) = &pattern;
        if rest.contains('*') { Err(FilterFault::Name(text.to_owned())) } else { Ok(pattern) }
    }
}
