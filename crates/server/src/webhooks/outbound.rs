//! The platform's way out: requests to addresses that customers name.
//!
//! Whoever may name an address could use the platform to reach what only the platform can reach: its own machine,
//! its network, the metadata service of its cloud. So every address that a name stands for is checked after it is
//! resolved, the connection goes to a checked address only, and no redirect is followed. `--allow-private-webhooks`
//! is the operator's word that all of this may be reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::limits;

/// Why no answer came. Neither shows the URL, which is a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    #[error("{0}")]
    Refused(Refusal),
    #[error("no answer within {} s", limits::WEBHOOK_TIMEOUT.as_secs())]
    TimedOut,
    #[error("{0}")]
    Failed(String),
}

/// Why an address is not used at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the URL is not valid")]
    Malformed,
    #[error("the URL must be https on port 443")]
    Plain,
    #[error("the URL leads to an address that is not public")]
    Private,
}

/// An answer: its status, and `Retry-After` if it has one. Its body is not read.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub retry_after: Option<HeaderValue>,
}

/// The HTTP client of all webhooks. Cheap to clone.
#[derive(Clone)]
pub struct Outbound {
    client: reqwest::Client,
    allow_private: bool,
}

impl Outbound {
    /// # Errors
    /// When the system's certificates cannot be used.
    pub fn new(allow_private: bool) -> Result<Self, reqwest::Error> {
        // Somebody else in this process may have been first; one provider is enough for all.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .dns_resolver(Guard { allow_private })
            .redirect(reqwest::redirect::Policy::none())
            // A proxy would resolve names behind our back.
            .no_proxy()
            .referer(false)
            .user_agent(concat!("Callfeed/", env!("CARGO_PKG_VERSION")))
            .timeout(limits::WEBHOOK_TIMEOUT)
            .pool_max_idle_per_host(limits::WEBHOOK_IDLE_CONNECTIONS_MAX)
            .pool_idle_timeout(limits::WEBHOOK_IDLE_TIMEOUT)
            .build()?;
        Ok(Self { client, allow_private })
    }

    /// The URL, if requests may go there as far as the URL itself tells.
    pub fn check(&self, url: &str) -> Result<Url, Refusal> {
        let url = Url::parse(url).map_err(|_| Refusal::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(Refusal::Malformed);
        }
        if self.allow_private {
            return Ok(url);
        }
        if url.scheme() != "https" || url.port_or_known_default() != Some(443) {
            return Err(Refusal::Plain);
        }
        check_literal(&url)?;
        Ok(url)
    }

    /// `OPTIONS`: does the receiver want this?
    pub async fn options(&self, url: &str) -> Result<Answer, OutboundError> {
        self.send(Method::OPTIONS, url, HeaderMap::new(), Bytes::new()).await
    }

    /// `POST` of a JSON body.
    pub async fn post(
        &self,
        url: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, OutboundError> {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.send(Method::POST, url, headers, body).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, OutboundError> {
        let url = self.check(url).map_err(OutboundError::Refused)?;
        let request = self.client.request(method, url).headers(headers).body(body);
        let answer = request.send().await.map_err(failure)?;
        let retry_after = answer.headers().get(header::RETRY_AFTER).cloned();
        Ok(Answer { status: answer.status(), retry_after })
    }
}

fn failure(error: reqwest::Error) -> OutboundError {
    let error = error.without_url();
    if error.is_timeout() {
        return OutboundError::TimedOut;
    }
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    let mut innermost = String::new();
    while let Some(cause) = source {
        if let Some(refusal) = cause.downcast_ref::<Refusal>() {
            return OutboundError::Refused(*refusal);
        }
        innermost = cause.to_string();
        source = cause.source();
    }
    OutboundError::Failed(innermost)
}

/// An address in the URL itself is never resolved, so the resolver does not see it.
fn check_literal(url: &Url) -> Result<(), Refusal> {
    let public = match url.host() {
        Some(Host::Ipv4(address)) => is_public_v4(address),
        Some(Host::Ipv6(address)) => is_public_v6(address),
        Some(Host::Domain(_)) => true,
        None => false,
    };
    if public { Ok(()) } else { Err(Refusal::Private) }
}

/// Resolves names, and gives no address away unless all of them are public.
struct Guard {
    allow_private: bool,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Vec<SocketAddr> = found.collect();
            if !allow_private && !addresses.iter().all(|address| is_public(address.ip())) {
                return Err(Refusal::Private.into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// What the IANA registry of special-purpose addresses (RFC 6890) does not keep from the public network.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = a == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        // RFC 6598: between customers and carriers.
        || (a == 100 && (64..128).contains(&b))
        // RFC 6890 §2.1, and RFC 7526: former 6to4 relays.
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        // RFC 2544: benchmarks.
        || (a == 198 && (18..20).contains(&b))
        // Multicast, reserved, broadcast.
        || a >= 224;
    !special
}

/// Of IPv6 only what is global unicast (2000::/3, RFC 4291 §2.4), and what stands for a public IPv4 address.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match s {
        // RFC 4291 §2.5.5.2: IPv4-mapped. RFC 6052 §2.1: NAT64.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            is_public_v4(v4(high, low))
        }
        // RFC 3056: 6to4.
        [0x2002, high, low, ..] => is_public_v4(v4(high, low)),
        // RFC 2928, RFC 4380: protocol assignments, Teredo among them. RFC 3849, RFC 9637: documentation.
        [0x2001, 0..0x200, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..0x1000, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A listener that counts who comes, and answers all of them the same.
    async fn receiver(answer: String) -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let visits = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&visits);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut seen = [0; 1024];
                let _ = stream.read(&mut seen).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        (port, visits)
    }

    const OK: &str = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";

    #[test]
    fn only_public_addresses_are_public() {
        for private in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.254",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a00:1",
            "2002:7f00:1::",
            "2001::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "100::1",
        ] {
            assert!(!is_public(private.parse().expect("an address")), "{private}");
        }
        for public in
            ["8.8.8.8", "100.63.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
        {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
    }

    #[test]
    fn without_the_operators_word_it_is_https_on_port_443_and_no_private_literal() {
        let guarded = Outbound::new(false).expect("a client");
        for (url, refusal) in [
            ("http://hooks.example.com/", Refusal::Plain),
            ("https://hooks.example.com:8443/", Refusal::Plain),
            ("https://127.0.0.1/", Refusal::Private),
            ("https://2130706433/", Refusal::Private),
            ("https://0x7f.1/", Refusal::Private),
            ("https://[::1]/", Refusal::Private),
            ("https://[::ffff:169.254.169.254]/", Refusal::Private),
            ("https://169.254.169.254/latest", Refusal::Private),
            ("ftp://hooks.example.com/", Refusal::Malformed),
            ("hooks", Refusal::Malformed),
        ] {
            assert_eq!(guarded.check(url).err(), Some(refusal), "{url}");
        }
        assert!(guarded.check("https://hooks.example.com/goto").is_ok());
        assert!(guarded.check("https://hooks.example.com:443/goto").is_ok());
        assert!(Outbound::new(true).expect("a client").check("http://127.0.0.1:9/").is_ok());
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_this_machine_is_never_connected_to() {
        let (port, visits) = receiver(OK.to_owned()).await;
        let guarded = Outbound::new(false).expect("a client");
        // Past the check of the URL, straight to the resolver.
        let request = guarded.client.post(format!("http://localhost:{port}/")).send().await;
        assert_eq!(request.map_err(failure).err(), Some(OutboundError::Refused(Refusal::Private)));
        let refused = guarded.options("https://localhost/").await.err();
        assert_eq!(refused, Some(OutboundError::Refused(Refusal::Private)));
        assert_eq!(visits.load(Ordering::SeqCst), 0);

        let allowed = Outbound::new(true).expect("a client");
        let answer = allowed.options(&format!("http://localhost:{port}/")).await.expect("an answer");
        assert_eq!(answer.status, 204);
        assert_eq!(visits.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let (inner, inner_visits) = receiver(OK.to_owned()).await;
        let redirect = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:{inner}/\r\nconnection: close\r\n\r\n"
        );
        let (outer, _) = receiver(redirect).await;
        let outbound = Outbound::new(true).expect("a client");
        let url = format!("http://127.0.0.1:{outer}/");
        let answer = outbound.post(&url, HeaderMap::new(), Bytes::from_static(b"{}")).await;
        assert_eq!(answer.expect("an answer").status, 307);
        assert_eq!(inner_visits.load(Ordering::SeqCst), 0);
    }
}
