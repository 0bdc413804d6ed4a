//! A product's identifier, as the contract has it.
//! Takes text; gives it back when it is one. Which products there are is the component's business.

use serde::Serialize;

/// A gateway product, by its identifier. Which there are is the component's business.
///
/// ```
/// use pflow_gateway_runtime::Kind;
///
/// assert_eq!(Kind::parse("acme-2").map(|kind| kind.to_string()).as_deref(), Some("acme-2"));
/// assert_eq!(Kind::parse("Acme"), None);
/// assert!(Kind::default().is_generic());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Kind(String);

impl Kind {
    /// The contract's word for any other aggregator.
    const GENERIC: &str = "generic";

    /// None: no identifier of a product.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (!text.is_empty() && text.len() <= 40 && text.bytes().all(fits)).then(|| Self(text.to_owned()))
    }

    /// The name in JSON and on the screen.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Any other aggregator.
    #[must_use]
    pub fn is_generic(&self) -> bool {
        self.0 == Self::GENERIC
    }
}

/// Any other aggregator.
impl Default for Kind {
    fn default() -> Self {
        Self(Self::GENERIC.to_owned())
    }
}

impl TryFrom<String> for Kind {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a product is written with lower-case letters, digits and -, like acme-2")
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}
