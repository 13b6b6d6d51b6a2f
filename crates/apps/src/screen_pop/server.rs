//! The page's own server: where it listens, and the names under which it answers. At an address of this machine it answers
//! under names of this machine alone, so that no web site can read the calls by pointing its own name here.

use std::{
    io,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Response, StatusCode, header},
    middleware::Next,
};
use listen::{Bounds, Refusal, Server};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    Secure, language,
    limits::{CONNECTIONS_MAX, SHUTDOWN_WAIT},
    routes::{Pages, router},
};
use crate::sign_in;

/// Said to a connection beyond [`CONNECTIONS_MAX`].
const TOO_MANY: &str = "Too many pages are open here. Try again soon.\n";

/// Refuses requests under a foreign name.
pub async fn only_own_names(State(pages): State<Pages>, request: Request, next: Next) -> Response<Body> {
    let public = pages.public.as_deref();
    if is_public(request.headers(), public) || is_own_name(request.headers(), &pages.host) {
        return next.run(request).await;
    }
    language::page(&pages, request.headers(), StatusCode::MISDIRECTED_REQUEST, |texts| {
        &texts.errors.wrong_name
    })
}

/// The name under which a proxy or a certificate makes the page known.
fn is_public(headers: &HeaderMap, public: Option<&str>) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None, Some(public)) = (hosts.next(), hosts.next(), public) else { return false };
    host.to_str().is_ok_and(|host| host.eq_ignore_ascii_case(public))
}

fn is_own_name(headers: &HeaderMap, listen_host: &str) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Some(name) = host.to_str().ok().and_then(without_port) else { return false };
    let listen_host = bare(listen_host);
    match name.parse::<IpAddr>() {
        // A name can be pointed anywhere by its owner, an address cannot.
        Ok(ip) => {
            ip.is_loopback()
                || listen_host.parse::<IpAddr>().is_ok_and(|own| own == ip || own.is_unspecified())
        }
        Err(_) => name.eq_ignore_ascii_case("localhost") || name.eq_ignore_ascii_case(listen_host),
    }
}

/// The host of a `Host` header, without the brackets of IPv6.
fn without_port(authority: &str) -> Option<&str> {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split_once(']').map(|(host, _)| host);
    }
    let host = authority.split_once(':').map_or(authority, |(host, _)| host);
    (!host.is_empty()).then_some(host)
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Splits `localhost:5000`; the port is needed.
///
/// # Errors
/// A sentence that names the flag.
pub fn split_listen(listen: &str) -> Result<(String, u16), String> {
    let wrong =
        || format!("--listen {listen} is no address: write a host and a port, such as localhost:5000");
    let (host, port) = listen.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    let is_v6 = bare(host).parse::<Ipv6Addr>().is_ok();
    if host.is_empty() || (is_v6 && !host.starts_with('[')) {
        return Err(wrong());
    }
    Ok((host.to_owned(), port))
}

/// Opens the listen address. `localhost` is both 127.0.0.1 and, where there is IPv6, ::1.
///
/// # Errors
/// A sentence that says what is wrong, with the flag that changes it.
pub async fn listen(host: &str, port: u16) -> Result<Vec<TcpListener>, String> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "port {port} is taken by another program: stop it, or choose another with --listen {host}:PORT"
            )
        }
        _ => {
            format!("cannot listen on {host}:{port}: {error}; choose another address with --listen HOST:PORT")
        }
    };
    sign_in::bind_loopback(host, port).await.map_err(failed)
}

/// Serves until `stop` is done, and then at most [`SHUTDOWN_WAIT`] longer.
pub async fn serve(
    listeners: Vec<TcpListener>,
    pages: Pages,
    secure: Option<Secure>,
    stop: CancellationToken,
) {
    let hub = Arc::clone(&pages.hub);
    let router = router(pages);
    let bounds = Bounds {
        connections_max: listen::connections_max().min(CONNECTIONS_MAX),
        head_timeout: listen::limits::REQUEST_HEAD_TIMEOUT,
        refusal: Refusal { content_type: "text/plain; charset=utf-8", body: TOO_MANY.to_owned() },
    };
    let served = secure.as_ref().map(|secure| secure.served.clone());
    let mut servers = tokio::task::JoinSet::new();
    if let Some(Secure { files, served, expires_s, look_every }) = secure {
        servers.spawn(listen::tls::follow(files, served, expires_s, look_every, stop.clone(), |_| ()));
    }
    for listener in listeners {
        let server = Server::new(router.clone(), served.clone(), bounds.clone(), stop.clone());
        servers.spawn(server.run(listener));
    }
    stop.cancelled().await;
    hub.close();
    let all = async { while servers.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_WAIT, all).await.is_err() {
        tracing::debug!("open pages were cut off");
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use axum::http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(host: &str, listen: &str, own: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        assert_eq!(is_own_name(&headers, listen), own, "{host} at {listen}");
    }

    #[test]
    fn only_names_of_this_machine() {
        for host in ["localhost:5000", "LOCALHOST", "127.0.0.1:5000", "[::1]:5000", "[::1]"] {
            check(host, "localhost", true);
        }
        for host in [
            "evil.example:5000",
            "localhost.evil.example",
            "192.0.2.7:5000",
            "",
            ":5000",
            "[",
            "127.0.0.1.evil.example",
        ] {
            check(host, "localhost", false);
        }
        check("desk.example:5000", "desk.example", true);
        check("192.0.2.7:5000", "0.0.0.0", true);
        check("192.0.2.7:5000", "192.0.2.7", true);
        check("[2001:db8::1]:5000", "[2001:db8::1]", true);
        check("evil.example", "0.0.0.0", false);
    }

    #[test]
    fn two_hosts_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, HeaderValue::from_static("localhost"));
        headers.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert!(!is_own_name(&headers, "localhost"));
    }

    #[test]
    fn listen_addresses() {
        assert_eq!(split_listen("localhost:5000"), Ok(("localhost".to_owned(), 5000)));
        assert_eq!(split_listen("[::1]:80"), Ok(("[::1]".to_owned(), 80)));
        for wrong in ["5000", "localhost", "localhost:", "localhost:x", ":5000", "::1:5000"] {
            assert!(split_listen(wrong).is_err_and(|text| text.contains("--listen")), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_its_flag() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = listen("localhost", port).await.unwrap_err();
        assert!(error.contains(&port.to_string()) && error.contains("--listen"), "{error}");
    }
}
