//! Whose request it is by address: the peer's, or behind a proxy that the operator trusts, the one that it names.
//!
//! Everything that counts by address asks here. A client can write any `X-Forwarded-For` itself; only what trusted
//! proxies have added at its right end is true.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use axum::http::HeaderMap;

/// A proxy, or a network of them: `10.0.0.7` or `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedProxy {
    network: IpAddr,
    bits: u8,
}

impl FromStr for TrustedProxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no address: write one such as 10.0.0.7, or a network such as 10.0.0.0/8");
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let network: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if network.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| wrong())?;
        if bits > most { Err(wrong()) } else { Ok(Self { network, bits }) }
    }
}

impl TrustedProxy {
    fn contains(self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let rest = 32 - u32::from(self.bits);
                u32::from(network).checked_shr(rest) == u32::from(address).checked_shr(rest)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let rest = 128 - u32::from(self.bits);
                u128::from(network).checked_shr(rest) == u128::from(address).checked_shr(rest)
            }
            _ => false,
        }
    }
}

/// The client's address: the right-most of `X-Forwarded-For` that is no trusted proxy's, if the peer is one; else the
/// peer's. Where an entry is no address, what stands left of it is not believed.
pub fn client_address(trusted: &[TrustedProxy], peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|proxy| proxy.contains(address));
    let mut client = peer.to_canonical();
    let lines: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().unwrap_or_default()).collect();
    let mut entries = lines.iter().rev().flat_map(|line| line.rsplit(','));
    while is_trusted(client) {
        let Some(before) = entries.next().and_then(address) else { break };
        client = before;
    }
    client
}

/// An entry as proxies write them: with a port or without.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let with_port = || entry.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

/// What counts as one client: an IPv4 address, or the /64 that a host of IPv6 can choose its addresses from.
pub fn one_client(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX));
            format!("{network}/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, lines: &[&str]) -> String {
        let trusted: Vec<TrustedProxy> =
            trusted.iter().map(|text| text.parse().expect("a network")).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().expect("a header"));
        }
        client_address(&trusted, peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn the_right_most_address_that_no_trusted_proxy_has_is_the_clients() {
        let forwarded = ["198.51.100.1, 203.0.113.9"];
        assert_eq!(client(&[], "127.0.0.1", &forwarded), "127.0.0.1", "nobody is trusted unless named");
        assert_eq!(
            client(&["127.0.0.1"], "127.0.0.1", &forwarded),
            "203.0.113.9",
            "the left one may be forged"
        );
        assert_eq!(client(&["127.0.0.1"], "192.0.2.4", &forwarded), "192.0.2.4", "the peer is no proxy");
        let two = ["198.51.100.1, 203.0.113.9", "10.1.2.3"];
        assert_eq!(client(&["127.0.0.1", "10.0.0.0/8"], "127.0.0.1", &two), "203.0.113.9");
        assert_eq!(
            client(&["0.0.0.0/0"], "127.0.0.1", &forwarded),
            "198.51.100.1",
            "all are proxies: the first"
        );
        assert_eq!(client(&["127.0.0.1"], "127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(client(&["127.0.0.1"], "127.0.0.1", &["203.0.113.9, unknown"]), "127.0.0.1");
        assert_eq!(client(&["127.0.0.1"], "::ffff:127.0.0.1", &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(client(&["::1"], "::1", &["[2001:db8::7]:80"]), "2001:db8::7");
        assert_eq!(client(&["2001:db8::/32"], "2001:db8::1", &["2001:db9::2"]), "2001:db9::2");
    }

    #[test]
    fn what_is_no_network_is_named() {
        for wrong in ["", "proxy", "10.0.0.0/33", "10.0.0.0/x", "::/129"] {
            let error = wrong.parse::<TrustedProxy>().expect_err("not an address");
            assert!(error.contains("10.0.0.0/8"), "{error}");
        }
        assert_eq!(one_client("2001:db8::7".parse().expect("an address")), "2001:db8::/64");
    }
}
