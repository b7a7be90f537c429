//! The lists that SUBSCRIBE, UNSUBSCRIBE and their acknowledgements carry: views of bytes that were checked, and
//! builders that make such bytes.

use crate::reader::Reader;
use crate::{Filters, FiltersWithOptions, ReasonCode, ReasonCodes, SubscriptionOptions, TopicFilter};

impl<'a> FiltersWithOptions<'a> {
    /// The same as the standard's iterator; a view can be gone through any number of times.
    pub fn iter(self) -> impl Iterator<Item = (TopicFilter<'a>, SubscriptionOptions)> + Clone {
        FiltersWithOptionsIter { rest: self.bytes }
    }

    /// How many subscriptions; counts by going through them.
    pub fn len(self) -> usize {
        self.iter().count()
    }

    /// Never true of a packet that was decoded.
    pub const fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }
}

impl<'a> IntoIterator for FiltersWithOptions<'a> {
    type Item = (TopicFilter<'a>, SubscriptionOptions);
    type IntoIter = FiltersWithOptionsIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        FiltersWithOptionsIter { rest: self.bytes }
    }
}

/// Goes through the subscriptions of a SUBSCRIBE.
#[derive(Clone, Debug)]
pub struct FiltersWithOptionsIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for FiltersWithOptionsIter<'a> {
    type Item = (TopicFilter<'a>, SubscriptionOptions);

    fn next(&mut self) -> Option<Self::Item> {
        // The bytes were checked when the view was made: a fault is the end, and the end is the only one.
        let mut reader = Reader::new(self.rest);
        let filter = TopicFilter::checked_before(reader.utf8().ok()?);
        let options = SubscriptionOptions::from_u8(reader.u8().ok()?).ok()?;
        self.rest = reader.rest();
        Some((filter, options))
    }
}

impl<'a> Filters<'a> {
    /// The same as the standard's iterator; a view can be gone through any number of times.
    pub fn iter(self) -> impl Iterator<Item = TopicFilter<'a>> + Clone {
        FiltersIter { rest: self.bytes }
    }

    /// How many filters; counts by going through them.
    pub fn len(self) -> usize {
        self.iter().count()
    }

    /// Never true of a packet that was decoded.
    pub const fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }
}

impl<'a> IntoIterator for Filters<'a> {
    type Item = TopicFilter<'a>;
    type IntoIter = FiltersIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        FiltersIter { rest: self.bytes }
    }
}

/// Goes through the filters of an UNSUBSCRIBE.
#[derive(Clone, Debug)]
pub struct FiltersIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for FiltersIter<'a> {
    type Item = TopicFilter<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut reader = Reader::new(self.rest);
        let filter = TopicFilter::checked_before(reader.utf8().ok()?);
        self.rest = reader.rest();
        Some(filter)
    }
}

impl<'a> ReasonCodes<'a> {
    /// No codes: what UNSUBACK has before 5.0.
    pub const EMPTY: Self = Self { bytes: &[] };

    /// `None` if a byte is not a Reason Code.
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        bytes.iter().all(|&byte| ReasonCode::from_u8(byte).is_some()).then_some(Self { bytes })
    }

    /// The same as the standard's iterator; a view can be gone through any number of times.
    pub fn iter(self) -> impl ExactSizeIterator<Item = ReasonCode> + Clone {
        self.into_iter()
    }

    /// How many codes.
    pub const fn len(self) -> usize {
        self.bytes.len()
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }
}

impl<'a> IntoIterator for ReasonCodes<'a> {
    type Item = ReasonCode;
    type IntoIter = ReasonCodesIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        ReasonCodesIter { bytes: self.bytes.iter() }
    }
}

/// Goes through the codes of a SUBACK or UNSUBACK.
#[derive(Clone, Debug)]
pub struct ReasonCodesIter<'a> {
    bytes: std::slice::Iter<'a, u8>,
}

impl Iterator for ReasonCodesIter<'_> {
    type Item = ReasonCode;

    fn next(&mut self) -> Option<Self::Item> {
        self.bytes.next().copied().and_then(ReasonCode::from_u8)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.bytes.size_hint()
    }
}

impl ExactSizeIterator for ReasonCodesIter<'_> {}

/// Makes the payload of a SUBSCRIBE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FiltersWithOptionsBuf {
    bytes: Vec<u8>,
}

impl FiltersWithOptionsBuf {
    /// Nothing yet; a SUBSCRIBE needs at least one.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// One subscription more.
    pub fn push(&mut self, filter: TopicFilter<'_>, options: SubscriptionOptions) {
        push_filter(&mut self.bytes, filter);
        self.bytes.push(options.as_u8());
    }

    /// What [`crate::Subscribe`] takes.
    pub fn as_filters(&self) -> FiltersWithOptions<'_> {
        FiltersWithOptions { bytes: &self.bytes }
    }
}

/// Makes the payload of an UNSUBSCRIBE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FiltersBuf {
    bytes: Vec<u8>,
}

impl FiltersBuf {
    /// Nothing yet; an UNSUBSCRIBE needs at least one.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// One filter more.
    pub fn push(&mut self, filter: TopicFilter<'_>) {
        push_filter(&mut self.bytes, filter);
    }

    /// What [`crate::Unsubscribe`] takes.
    pub fn as_filters(&self) -> Filters<'_> {
        Filters { bytes: &self.bytes }
    }
}

/// A [`TopicFilter`] is never longer than its length prefix can say.
fn push_filter(bytes: &mut Vec<u8>, filter: TopicFilter<'_>) {
    bytes.extend_from_slice(&(filter.as_str().len() as u16).to_be_bytes());
    bytes.extend_from_slice(filter.as_str().as_bytes());
}

/// Makes the payload of a SUBACK or UNSUBACK.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReasonCodesBuf {
    bytes: Vec<u8>,
}

impl ReasonCodesBuf {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// The answer to one filter more.
    pub fn push(&mut self, code: ReasonCode) {
        self.bytes.push(code.as_u8());
    }

    /// Back to nothing; the room is kept.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// What [`crate::SubAck`] and [`crate::UnsubAck`] take.
    pub fn as_codes(&self) -> ReasonCodes<'_> {
        ReasonCodes { bytes: &self.bytes }
    }
}

impl FromIterator<ReasonCode> for ReasonCodesBuf {
    fn from_iter<I: IntoIterator<Item = ReasonCode>>(codes: I) -> Self {
        Self { bytes: codes.into_iter().map(ReasonCode::as_u8).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QoS;

    #[test]
    fn what_was_pushed_comes_out_in_order() {
        let filters = ["a/+", "#", "$share/g/é"].map(|filter| TopicFilter::new(filter).unwrap());
        let options = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].map(|qos| SubscriptionOptions {
            qos,
            retain_as_published: true,
            ..SubscriptionOptions::default()
        });
        let mut with_options = FiltersWithOptionsBuf::new();
        let mut alone = FiltersBuf::new();
        for (&filter, &options) in filters.iter().zip(&options) {
            with_options.push(filter, options);
            alone.push(filter);
        }
        assert_eq!(
            with_options.as_filters().iter().collect::<Vec<_>>(),
            filters.into_iter().zip(options).collect::<Vec<_>>()
        );
        assert_eq!(alone.as_filters().into_iter().collect::<Vec<_>>(), filters);
        assert_eq!((with_options.as_filters().len(), alone.as_filters().len()), (3, 3));
    }

    #[test]
    fn reason_codes_are_only_made_of_known_bytes() {
        let codes: ReasonCodesBuf = [ReasonCode::GrantedQoS2, ReasonCode::NotAuthorized].into_iter().collect();
        assert_eq!(ReasonCodes::from_bytes(&[0x02, 0x87]), Some(codes.as_codes()));
        assert_eq!(codes.as_codes().iter().collect::<Vec<_>>(), [ReasonCode::GrantedQoS2, ReasonCode::NotAuthorized]);
        assert_eq!(ReasonCodes::from_bytes(&[0x03]), None);
    }
}
