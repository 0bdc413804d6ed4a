//! Where requests may go: exactly the configured origins.
//! Takes a request target in any spelling; gives the canonical origin and what is allowed there, or the reason why not.
//! Never looks at addresses (that is [`address`](super::address)) and never lets a spelling decide.

use std::net::IpAddr;

use super::{
    AddressClass, Origin,
    failure::{Denial, EgressFailure},
};

/// Where requests may go. Default-deny: without an entry nothing is allowed.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    own: Origin,
    addresses: Addresses,
    /// The gateway by TLS, where its URL is without: its own redirects may lead there.
    secured: Option<Origin>,
    further: Vec<Origin>,
}

/// Where the gateway itself may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addresses {
    /// On the internet, on this machine, in a private network.
    #[default]
    Any,
    /// On the internet: it was there when it was added.
    Public,
}

/// What an origin is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The gateway that the user configured: gets the credentials, may be on this machine or in a private network.
    Own,
    /// An origin of `allow_origins`: no credentials, public addresses only, unless the user wrote the address itself.
    Further,
}

impl Policy {
    pub(super) fn new(own: Origin, addresses: Addresses, further: Vec<Origin>) -> Self {
        Self { secured: own.secured(), own, addresses, further }
    }

    /// Where a redirect of the gateway may lead besides its own origin.
    pub(super) fn secured(&self) -> Option<&Origin> {
        self.secured.as_ref()
    }

    /// The origin of a connection's target, if one may be made. It is one of a request that was checked, or of a redirect of the gateway.
    pub(super) fn connects(&self, target: &http::Uri) -> Result<Origin, EgressFailure> {
        match Origin::of_uri(target).ok().filter(|origin| self.secured.as_ref() == Some(origin)) {
            Some(secured) => Ok(secured),
            None => self.check(target).map(|(origin, _)| origin),
        }
    }

    /// The origin of a request target, if requests may go there.
    pub(super) fn check(&self, target: &http::Uri) -> Result<(Origin, Standing), EgressFailure> {
        let origin = Origin::of_uri(target).map_err(|error| EgressFailure::Denied {
            origin: shown(target),
            why: Denial::NotAnOrigin(error),
            setting: None,
        })?;
        match self.standing(&origin) {
            Some(standing) => Ok((origin, standing)),
            None => Err(EgressFailure::Denied {
                origin: origin.to_string(),
                why: Denial::NotListed,
                setting: Some(format!("\"allow_origins\": [\"{origin}\"]")),
            }),
        }
    }

    pub(super) fn standing(&self, origin: &Origin) -> Option<Standing> {
        if *origin == self.own {
            Some(Standing::Own)
        } else if self.further.contains(origin) {
            Some(Standing::Further)
        } else {
            None
        }
    }

    /// Whether it is the configured gateway, under its own scheme or secured.
    pub(super) fn is_of_gateway(&self, origin: &Origin) -> bool {
        self.standing(origin) == Some(Standing::Own) || self.secured.as_ref() == Some(origin)
    }

    /// Whether a connection for this origin may be made to this address.
    ///
    /// An address that the user wrote down is the address that the user means, so a literal may be anything that a connection
    /// can be made to. A name is another's word: it may lead to this machine or into a private network only for the
    /// configured gateway, and to link-local or metadata addresses never.
    pub(super) fn admits(&self, origin: &Origin, address: IpAddr) -> Result<(), EgressFailure> {
        let class = AddressClass::of(address);
        let of_gateway = self.is_of_gateway(origin);
        let admitted = match class {
            AddressClass::Public => true,
            AddressClass::Multicast => false,
            _ if origin.literal() == Some(address) => true,
            AddressClass::Loopback | AddressClass::Private if of_gateway && self.addresses == Addresses::Public => {
                return Err(EgressFailure::MovedInside { origin: origin.clone(), address, class });
            }
            AddressClass::Loopback | AddressClass::Private => of_gateway,
            AddressClass::LinkLocal | AddressClass::Metadata | AddressClass::Unspecified | AddressClass::Reserved => {
                false
            }
        };
        if admitted { Ok(()) } else { Err(EgressFailure::AddressDenied { origin: origin.clone(), address, class }) }
    }
}

/// A target that is no origin, short enough and harmless to print: without path, query and user info.
fn shown(target: &http::Uri) -> String {
    let authority = target.authority().map_or("", http::uri::Authority::as_str);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let text = format!("{}://{host}", target.scheme_str().unwrap_or(""));
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn policy(own: &str, further: &[&str]) -> Policy {
        Policy::new(
            own.parse().unwrap(),
            Addresses::Any,
            further.iter().map(|origin| origin.parse().unwrap()).collect(),
        )
    }

    fn check(policy: &Policy, target: &str) -> Result<Standing, EgressFailure> {
        policy.check(&target.parse().unwrap()).map(|(_, standing)| standing)
    }

    #[test]
    fn the_configured_origin_is_allowed_in_every_spelling_and_nothing_else_is() {
        let policy = policy("https://gateway.example", &[]);
        for target in
            ["https://gateway.example/mcp", "https://GATEWAY.example:443/other?x=1", "https://gateway.example./"]
        {
            assert_eq!(check(&policy, target), Ok(Standing::Own), "{target}");
        }
        for target in [
            "http://gateway.example/mcp",
            "https://gateway.example:8443/mcp",
            "https://gateway.example.evil.example/",
            "https://evil.gateway.example/",
            "https://gateway.example@evil.example/",
            "https://user@gateway.example/",
            "https://evil.example/gateway.example",
            "https://169.254.169.254/latest/meta-data",
            "ws://gateway.example/",
            "/mcp",
        ] {
            assert!(check(&policy, target).is_err(), "{target}");
        }
    }

    #[test]
    fn a_denial_names_the_origin_and_the_setting_that_would_allow_it() {
        let denied =
            check(&policy("http://127.0.0.1:8811", &[]), "https://API.example.com./v1?key=hidden").unwrap_err();
        let error = pflow_gateway_base::Error::from(denied);
        assert_eq!(error.class, pflow_gateway_base::Class::EgressDenied);
        assert_eq!(
            error.message,
            "https://api.example.com is not allowed: it is neither the gateway's own origin nor in allow_origins"
        );
        assert_eq!(
            error.hint.unwrap(),
            "to allow it, add \"allow_origins\": [\"https://api.example.com\"] to the entry's \"gateway\""
        );
    }

    #[test]
    fn a_denied_target_is_printed_without_its_user_info_path_and_query() {
        let denied =
            check(&policy("http://127.0.0.1:8811", &[]), "http://user:pass@evil.example/a?key=hidden").unwrap_err();
        assert_eq!(denied.to_string(), "http://evil.example is not allowed: an origin has no user name or password");
    }

    #[test]
    fn an_origin_that_the_user_named_is_allowed_without_the_gateways_standing() {
        let policy = policy("http://127.0.0.1:8811", &["https://status.example"]);
        assert_eq!(check(&policy, "https://status.example/"), Ok(Standing::Further));
        assert_eq!(check(&policy, "http://127.0.0.1:8811/"), Ok(Standing::Own));
    }

    #[test]
    fn only_the_configured_gateway_may_be_on_a_private_address_behind_a_name() {
        let policy = policy("https://gateway.internal", &["https://status.example", "http://10.0.0.9:81"]);
        let own: Origin = "https://gateway.internal".parse().unwrap();
        let further: Origin = "https://status.example".parse().unwrap();
        let literal: Origin = "http://10.0.0.9:81".parse().unwrap();
        for (address, own_may, further_may) in [
            ("93.184.216.34", true, true),
            ("127.0.0.1", true, false),
            ("::1", true, false),
            ("10.0.0.9", true, false),
            ("100.64.0.1", true, false),
            ("fd12::1", true, false),
            ("::ffff:10.0.0.9", true, false),
            ("64:ff9b::10.0.0.9", true, false),
            ("169.254.169.254", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("fd00:ec2::254", false, false),
            ("169.254.1.1", false, false),
            ("fe80::1", false, false),
            ("0.0.0.0", false, false),
            ("224.0.0.1", false, false),
            ("255.255.255.255", false, false),
            ("240.0.0.1", false, false),
        ] {
            let ip = address.parse().unwrap();
            assert_eq!(policy.admits(&own, ip).is_ok(), own_may, "own, {address}");
            assert_eq!(policy.admits(&further, ip).is_ok(), further_may, "further, {address}");
        }
        assert!(policy.admits(&literal, "10.0.0.9".parse().unwrap()).is_ok());
        assert!(policy.admits(&literal, "10.0.0.8".parse().unwrap()).is_err());
    }

    #[test]
    fn a_metadata_address_is_reached_only_by_whoever_wrote_it_as_the_gateway() {
        let policy = policy("http://169.254.169.254", &[]);
        let ip = "169.254.169.254".parse().unwrap();
        assert!(policy.admits(&"http://169.254.169.254".parse().unwrap(), ip).is_ok());
        assert!(policy.admits(&"http://metadata.internal".parse().unwrap(), ip).is_err());
    }

    #[test]
    fn a_gateway_that_was_public_stays_public() {
        let own: Origin = "http://gateway.example".parse().unwrap();
        let policy = Policy::new(own.clone(), Addresses::Public, Vec::new());
        for address in
            ["127.0.0.1", "::1", "10.0.0.9", "100.64.0.1", "fd12::1", "::ffff:192.168.0.1", "64:ff9b::10.0.0.9"]
        {
            let refused = policy.admits(&own, address.parse().unwrap()).unwrap_err();
            let error = pflow_gateway_base::Error::from(refused);
            assert_eq!(error.class, pflow_gateway_base::Class::EgressDenied);
            assert!(error.message.starts_with("http://gateway.example leads to "), "{error}");
            assert!(error.hint.unwrap().contains("\"addresses\": \"any\""));
        }
        assert!(policy.admits(&own, "93.184.216.34".parse().unwrap()).is_ok());
        assert!(policy.admits(&own.secured().unwrap(), "10.0.0.9".parse().unwrap()).is_err());
        // Whoever writes an address means it.
        let literal: Origin = "http://10.0.0.9".parse().unwrap();
        let policy = Policy::new(literal.clone(), Addresses::Public, Vec::new());
        assert!(policy.admits(&literal, "10.0.0.9".parse().unwrap()).is_ok());
    }

    #[test]
    fn a_redirect_leads_to_https_of_the_same_host_and_a_component_does_not() {
        let policy = policy("http://gateway.example", &[]);
        let secured: http::Uri = "https://gateway.example/mcp".parse().unwrap();
        assert!(policy.check(&secured).is_err());
        assert_eq!(policy.connects(&secured).unwrap().to_string(), "https://gateway.example");
        assert!(policy.admits(policy.secured().unwrap(), "10.0.0.9".parse().unwrap()).is_ok());
        for other in ["https://gateway.example:8443/", "https://other.example/", "http://gateway.example:8080/"] {
            assert!(policy.connects(&other.parse().unwrap()).is_err(), "{other}");
        }
        for without in ["http://gateway.example:8080", "https://gateway.example"] {
            assert_eq!(self::policy(without, &[]).secured(), None, "{without}");
        }
    }
}
