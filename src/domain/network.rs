//! Which addresses are on the open network, and which are this machine's or its neighbours'.
//!
//! What an operator's file names by a host may lead anywhere: an address is judged at the moment
//! of connecting, and the judged one is connected to. Addresses that carry an IPv4 address within
//! an IPv6 one are judged by it. Nothing is looked up here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::domain::language::{Text, text};

/// Why an address is not on the open network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// This machine.
    Loopback,
    /// A private network: RFC 1918, RFC 4193, carrier-grade NAT (RFC 6598).
    Private,
    /// The link: RFC 3927, `fe80::/10`.
    Link,
    /// Many at once.
    Multicast,
    /// Set aside by IANA's registries for anything else.
    Reserved,
}

impl Within {
    /// In words, as what stands after "is".
    pub fn told(self) -> Text {
        match self {
            Self::Loopback => text!("an address of this machine", "une adresse de cette machine"),
            Self::Private => text!("a private address", "une adresse privée"),
            Self::Link => text!("a link-local address", "une adresse du lien local"),
            Self::Multicast => text!("a multicast address", "une adresse multicast"),
            Self::Reserved => text!("a reserved address", "une adresse réservée"),
        }
    }
}

/// Why an address is not on the open network; `None`: it is.
pub fn within(address: IpAddr) -> Option<Within> {
    match address {
        IpAddr::V4(v4) => within_v4(v4),
        IpAddr::V6(v6) => match carried(v6) {
            Some(v4) => within_v4(v4),
            None => within_v6(v6),
        },
    }
}

/// The IPv4 address that an IPv6 one stands for: mapped, NAT64 (RFC 6052), 6to4 (RFC 3056).
fn carried(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = v6.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => Some(of(high, low)),
        _ => v6.to_ipv4_mapped(),
    }
}

fn within_v4(v4: Ipv4Addr) -> Option<Within> {
    let [a, b, c, _] = v4.octets();
    match (a, b, c) {
        (127, _, _) => Some(Within::Loopback),
        (10, _, _) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => {
            Some(Within::Private)
        }
        (169, 254, _) => Some(Within::Link),
        (224..=239, _, _) => Some(Within::Multicast),
        // "This network", protocol assignments, documentation, benchmarks, 6to4 relays, class E.
        (0 | 240.., _, _)
        | (192, 0, 0 | 2)
        | (192, 88, 99)
        | (198, 18 | 19, _)
        | (198, 51, 100)
        | (203, 0, 113) => Some(Within::Reserved),
        _ => None,
    }
}

fn within_v6(v6: Ipv6Addr) -> Option<Within> {
    let s = v6.segments();
    if v6.is_loopback() {
        return Some(Within::Loopback);
    }
    match s[0] {
        0xfc00..=0xfdff => Some(Within::Private),
        0xfe80..=0xfeff => Some(Within::Link),
        0xff00.. => Some(Within::Multicast),
        // Only 2000::/3 is given out; of that, Teredo, ORCHID and other assignments, documentation.
        0x2001 if s[1] < 0x0200 || s[1] == 0x0db8 => Some(Within::Reserved),
        0x3fff if s[1] < 0x1000 => Some(Within::Reserved),
        0x2000..=0x3fff => None,
        _ => Some(Within::Reserved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_on_the_open_network_is_known_in_every_spelling() {
        for (address, expected) in [
            ("127.0.0.1", Within::Loopback),
            ("127.9.9.9", Within::Loopback),
            ("::1", Within::Loopback),
            ("::ffff:127.0.0.1", Within::Loopback),
            ("64:ff9b::7f00:1", Within::Loopback),
            ("2002:7f00:1::", Within::Loopback),
            ("10.1.2.3", Within::Private),
            ("172.16.0.1", Within::Private),
            ("172.31.255.255", Within::Private),
            ("192.168.1.1", Within::Private),
            ("100.64.0.1", Within::Private),
            ("100.127.255.255", Within::Private),
            ("::ffff:10.0.0.1", Within::Private),
            ("64:ff9b::c0a8:101", Within::Private),
            ("fd12::1", Within::Private),
            ("fc00::1", Within::Private),
            ("169.254.169.254", Within::Link),
            ("::ffff:169.254.169.254", Within::Link),
            ("fe80::1", Within::Link),
            ("fec0::1", Within::Link),
            ("224.0.0.1", Within::Multicast),
            ("ff02::1", Within::Multicast),
            ("0.0.0.0", Within::Reserved),
            ("::", Within::Reserved),
            ("::7f00:1", Within::Reserved),
            ("64:ff9b:1::7f00:1", Within::Reserved),
            ("2001::1", Within::Reserved),
            ("2001:db8::1", Within::Reserved),
            ("192.0.2.1", Within::Reserved),
            ("198.18.0.1", Within::Reserved),
            ("255.255.255.255", Within::Reserved),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(within(address), Some(expected), "{address}");
        }
        for open in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2001:4860:4860::8888",
            "2a01:e0a::1",
        ] {
            let address: IpAddr = open.parse().unwrap();
            assert_eq!(within(address), None, "{open}");
        }
    }
}
