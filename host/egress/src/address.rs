//! Which addresses a request may end at: the second layer, after the policy on names.
//! Takes an IP address; gives its [`AddressClass`]. Never resolves anything.
//!
//! A name says nothing about where it leads: whoever owns the zone can point it at `127.0.0.1`, at the cloud's metadata service or
//! at a printer, and can do so between two look-ups. So the addresses are judged after the look-up, every one of
//! them, and the connection is made to exactly the address that was judged.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// What kind of address it is, seen from the outside, IPv4 inside IPv6 included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressClass {
    /// Routable on the internet.
    Public,
    /// This machine: `127.0.0.0/8`, `::1`.
    Loopback,
    /// RFC 1918, unique local (RFC 4193) and shared address space (RFC 6598).
    Private,
    /// `169.254.0.0/16`, `fe80::/10`: the same wire, and where clouds keep metadata.
    LinkLocal,
    /// A metadata service of a cloud, wherever its address is.
    Metadata,
    /// `0.0.0.0`, `::`: means this machine to most systems.
    Unspecified,
    /// Multicast and broadcast.
    Multicast,
    /// Documentation, benchmarks, protocol assignments, tunnels that hide their end, the future.
    Reserved,
}

impl AddressClass {
    /// The class of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Public => "public",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Metadata => "cloud metadata",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
        })
    }
}

fn of_v4(address: Ipv4Addr) -> AddressClass {
    let [a, b, c, d] = address.octets();
    match (a, b, c, d) {
        // AWS, GCP, Azure and most others; AWS tasks and pods; Scaleway; Alibaba; Azure's wire server; Oracle.
        (169, 254, 169, 254)
        | (169, 254, 170, 2 | 23)
        | (169, 254, 42, 42)
        | (100, 100, 100, 200)
        | (168, 63, 129, 16)
        | (192, 0, 0, 192) => AddressClass::Metadata,
        (0, 0, 0, 0) => AddressClass::Unspecified,
        (127, ..) => AddressClass::Loopback,
        // The last is for benchmarks (RFC 2544), and what proxies that take every connection (Clash and others) answer for every name.
        (10, ..) | (172, 16..=31, ..) | (192, 168, ..) | (100, 64..=127, ..) | (198, 18 | 19, ..) => {
            AddressClass::Private
        }
        (169, 254, ..) => AddressClass::LinkLocal,
        (224..=239, ..) | (255, 255, 255, 255) => AddressClass::Multicast,
        // "This network" (RFC 791), protocol assignments (RFC 6890), documentation (RFC 5737), 6to4 relays (RFC 7526),
        // the future (RFC 1112).
        (0 | 240..=255, ..) | (192, 0, 0 | 2, _) | (192, 88, 99, _) | (198, 51, 100, _) | (203, 0, 113, _) => {
            AddressClass::Reserved
        }
        _ => AddressClass::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> AddressClass {
    // Google, Oracle, Scaleway, Akamai (Linode), Alibaba: as their documents and cloud-init's data sources have them.
    const METADATA: [Ipv6Addr; 5] = [
        Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
        Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
        Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
        Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200),
    ];
    if METADATA.contains(&address) {
        return AddressClass::Metadata;
    }
    let [s0, s1, s2, s3, s4, s5, s6, s7] = address.segments();
    let last = embedded(s6, s7);
    match (s0, s1, s2, s3, s4, s5) {
        (0, 0, 0, 0, 0, 0) => match (s6, s7) {
            (0, 0) => AddressClass::Unspecified,
            (0, 1) => AddressClass::Loopback,
            // IPv4-compatible (RFC 4291 section 2.5.5.1, deprecated).
            _ => worse(of_v4(last), AddressClass::Reserved),
        },
        // IPv4-mapped (section 2.5.5.2), and as SIIT has it (RFC 2765); NAT64's well-known prefix (RFC 6052).
        (0, 0, 0, 0, 0, 0xffff) | (0, 0, 0, 0, 0xffff, 0) | (0x64, 0xff9b, 0, 0, 0, 0) => of_v4(last),
        // NAT64 for local use (RFC 8215).
        (0x64, 0xff9b, 1, ..) => nat64(address),
        // All of it is Amazon's own: the instance's metadata, identities of pods, DNS, time.
        (0xfd00, 0xec2, ..) => AddressClass::Metadata,
        // 6to4 (RFC 3056).
        (0x2002, high, low, ..) => of_v4(embedded(high, low)),
        // ISATAP (RFC 5214), local or global bit.
        (.., 0 | 0x200, 0x5efe) => worse(of_v4(last), of_prefix(s0, s1)),
        _ => of_prefix(s0, s1),
    }
}

fn of_prefix(s0: u16, s1: u16) -> AddressClass {
    match (s0, s1) {
        (0xff00..=0xffff, _) => AddressClass::Multicast,
        (0xfe80..=0xfebf, _) => AddressClass::LinkLocal,
        (0xfc00..=0xfdff, _) => AddressClass::Private,
        // Documentation (RFC 3849, RFC 9637); Teredo, benchmarks, ORCHID and the other protocol assignments (RFC 2928);
        // everything outside 2000::/3 is unassigned, discard-only (RFC 6666) in it.
        (0x2001, 0xdb8 | 0..=0x1ff) | (0x3fff, 0..=0xfff) => AddressClass::Reserved,
        (0x2000..=0x3fff, _) => AddressClass::Public,
        _ => AddressClass::Reserved,
    }
}

/// The IPv4 address in `64:ff9b:1::/48`, of which a network may take any longer prefix: where the address stands depends on its
/// length, which cannot be seen (RFC 6052 section 2.2). What follows it is zero, so the strictest class of those that fit counts.
fn nat64(address: Ipv6Addr) -> AddressClass {
    let [.., b6, b7, b8, b9, b10, b11, b12, b13, b14, b15] = address.octets();
    if b8 != 0 {
        return AddressClass::Reserved;
    }
    let zero = |rest: &[u8]| rest.iter().all(|byte| *byte == 0);
    let fits = [
        (zero(&[b11, b12, b13, b14, b15]), [b6, b7, b9, b10]),
        (zero(&[b12, b13, b14, b15]), [b7, b9, b10, b11]),
        (zero(&[b13, b14, b15]), [b9, b10, b11, b12]),
        (!zero(&[b12, b13, b14, b15]), [b12, b13, b14, b15]),
    ];
    let classes = fits.into_iter().filter(|(fits, _)| *fits).map(|(_, address)| of_v4(address.into()));
    classes.reduce(worse).unwrap_or(AddressClass::Reserved)
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

/// The class that is denied more strictly: a public address inside a reserved one is reserved.
fn worse(inner: AddressClass, outer: AddressClass) -> AddressClass {
    if inner == AddressClass::Public { outer } else { inner }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::{AddressClass::*, *};

    #[test]
    fn every_address_has_its_class() {
        for (address, class) in [
            ("1.1.1.1", Public),
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("10.1.2.3", Private),
            ("172.15.0.1", Public),
            ("172.16.0.1", Private),
            ("172.31.255.255", Private),
            ("172.32.0.1", Public),
            ("192.168.1.1", Private),
            ("100.63.255.255", Public),
            ("100.64.0.1", Private),
            ("100.127.255.255", Private),
            ("100.128.0.1", Public),
            ("100.100.100.200", Metadata),
            ("169.254.169.254", Metadata),
            ("169.254.170.2", Metadata),
            ("169.254.170.23", Metadata),
            ("169.254.42.42", Metadata),
            ("169.254.0.1", LinkLocal),
            ("168.63.129.16", Metadata),
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Reserved),
            ("224.0.0.1", Multicast),
            ("255.255.255.255", Multicast),
            ("240.0.0.1", Reserved),
            ("192.0.0.192", Metadata),
            ("192.0.2.1", Reserved),
            ("192.0.1.1", Public),
            ("198.18.0.1", Private),
            ("198.20.0.1", Public),
            ("203.0.113.9", Reserved),
            ("::", Unspecified),
            ("::1", Loopback),
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:169.254.169.254", Metadata),
            ("::ffff:10.0.0.1", Private),
            ("::ffff:1.1.1.1", Public),
            ("::ffff:0:127.0.0.1", Loopback),
            ("::127.0.0.1", Loopback),
            ("::1.1.1.1", Reserved),
            ("64:ff9b::127.0.0.1", Loopback),
            ("64:ff9b::169.254.169.254", Metadata),
            ("64:ff9b::1.1.1.1", Public),
            ("64:ff9b:1::1.1.1.1", Public),
            ("64:ff9b:1::10.0.0.1", Private),
            ("64:ff9b:1::169.254.169.254", Metadata),
            ("64:ff9b:1:abcd:0:1:127.0.0.1", Loopback),
            ("64:ff9b:1:7f00:0:100::", Loopback),
            ("64:ff9b:1:a:0:1::", Private),
            ("64:ff9b:1:0:c0:a801:100:0", Private),
            ("64:ff9b:1:0:a9:fea9:fe00:0", Metadata),
            ("64:ff9b:1:0:100::1.1.1.1", Reserved),
            ("64:ff9b:1::", Unspecified),
            ("64:ff9b:2::1.1.1.1", Reserved),
            ("2002:7f00:1::", Loopback),
            ("2002:a9fe:a9fe::1", Metadata),
            ("2002:a00:1::1", Private),
            ("2002:101:101::1", Public),
            ("2001:0:101:101::1", Reserved),
            ("2001:db8::1", Reserved),
            ("2001:4860:4860::8888", Public),
            ("2606:4700::1111", Public),
            ("2606:4700::5efe:127.0.0.1", Loopback),
            ("2606:4700::200:5efe:10.0.0.1", Private),
            ("2606:4700::5efe:1.1.1.1", Public),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("fec0::1", Reserved),
            ("fc00::1", Private),
            ("fd12::1", Private),
            ("fd00:ec2::254", Metadata),
            ("fd00:ec2::23", Metadata),
            ("fd00:ec2:0:1::1", Metadata),
            ("fd00:ec3::1", Private),
            ("fd00:c1::a9fe:a9fe", Metadata),
            ("fd00:42::42", Metadata),
            ("fd20:ce::254", Metadata),
            ("fd00:a9fe:a9fe::1", Metadata),
            ("fd00:100::100:200", Metadata),
            ("fd00:100::100:201", Private),
            // Teredo, with a server and a client on the internet.
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Reserved),
            ("ff02::1", Multicast),
            ("100::1", Reserved),
            ("4000::1", Reserved),
            ("3fff:0::1", Reserved),
        ] {
            assert_eq!(AddressClass::of(address.parse().unwrap()), class, "{address}");
        }
    }
}
