//! The head of a request, as it came.
//! Takes what HTTP gave; gives header fields by name, and what the client accepts. Never trusts a field that comes twice.

/// Bytes of all header fields.
pub const LONGEST_HEADERS: usize = 64 * 1024;
/// Header fields.
pub const MOST_HEADERS: usize = 128;
/// A request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// In capitals.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// The host that was asked.
    pub authority: Option<String>,
    /// As they came.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Request {
    /// A field's value. None too when it comes twice, or is no text: two readers could see two values.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let (_, value) = found.next()?;
        if found.next().is_some() {
            return None;
        }
        std::str::from_utf8(value).ok().map(str::trim)
    }

    /// Whether there is such a field, however often.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name))
    }

    /// Whether the client takes a media type.
    #[must_use]
    pub fn accepts(&self, media: &str) -> bool {
        let fields: Vec<String> = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case("accept"))
            .map(|(_, value)| String::from_utf8_lossy(value).to_ascii_lowercase())
            .collect();
        let kind = media.split('/').next().unwrap_or_default();
        fields.is_empty()
            || fields.iter().flat_map(|field| field.split(',')).any(|range| {
                let mut parts = range.split(';').map(str::trim);
                let range = parts.next().unwrap_or_default();
                let refused = parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
                !refused && (range == media || range == "*/*" || range == format!("{kind}/*"))
            })
    }
}

/// A header's text, with `=?base64?…?=` undone; none where that is not text.
#[must_use]
pub fn plain(value: &str) -> Option<String> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    match value.strip_prefix("=?base64?").and_then(|value| value.strip_suffix("?=")) {
        Some(coded) => String::from_utf8(STANDARD.decode(coded).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}
