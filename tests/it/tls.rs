//! https and wss with a certificate of one's own: sign-in, socket and call, and what is said when files are wrong.

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

use crate::harness::calls::{Channel, states};
use crate::harness::portal::{CLIENTS, Portal, fact};
use crate::harness::{Answer, App, Person, Platform, SCOPES, SOON, Socket, eventually, ports};

/// A certificate for this machine and its key.
struct Pair {
    folder: TempDir,
    certificate: CertificateDer<'static>,
}

impl Pair {
    fn new() -> Self {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate can be made");
        let folder = TempDir::new().expect("the temporary folder can be written");
        std::fs::write(folder.path().join("tls.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("tls.key"), made.signing_key.serialize_pem()).unwrap();
        Self { folder, certificate: made.cert.der().clone() }
    }

    /// Puts another certificate and key into the same files.
    fn renew(&mut self) {
        let newer = Self::new();
        // As a renewal does it: each file whole, one after the other.
        for name in ["tls.pem", "tls.key"] {
            std::fs::copy(newer.path(name), self.path("new")).unwrap();
            std::fs::rename(self.path("new"), self.path(name)).unwrap();
        }
        self.certificate = newer.certificate;
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    /// Trusts this certificate and no other.
    fn trusting(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a certificate");
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        config.expect("known versions").with_root_certificates(roots).with_no_client_auth()
    }
}

/// A call to its end; `callfeed call` would not trust the certificate.
async fn play(platform: &Platform) -> String {
    let url = format!("{}/simulator/v1/calls", platform.base);
    let (id, secret) = (platform.setting("OAUTH_CLIENT_ID"), platform.setting("OAUTH_CLIENT_SECRET"));
    let body = serde_json::json!({"scenario": "answered", "speed": 50.0});
    let request = crate::harness::http().post(url).basic_auth(id, Some(secret)).json(&body);
    let answer = Answer::of("POST a call", request).await.is(200);
    let first = answer.text.lines().next().expect("the answer tells of the call");
    let first: serde_json::Value = serde_json::from_str(first).expect("a line is one JSON object");
    first["conversationSpaceId"].as_str().expect("the call has an id").to_owned()
}

#[tokio::test]
async fn sign_in_and_socket_work_over_tls() {
    let pair = Pair::new();
    let (certificate, key) = (pair.path("tls.pem"), pair.path("tls.key"));
    let platform = Platform::start_with(&["--tls-cert", &certificate, "--tls-key", &key]).await;
    assert!(platform.setting("GOTO_API_URL").starts_with("https://"));
    let strict = reqwest::Client::builder().use_preconfigured_tls(pair.trusting()).no_proxy();
    let url = format!("{}/healthz", platform.base);
    let answer = strict.build().unwrap().get(&url).send().await.expect("the certificate is the one given");
    assert_eq!(answer.status(), 200);
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let channel = Channel::subscribed(&platform, &session, "tls").await;
    assert!(channel.url.starts_with("wss://127.0.0.1:"), "{}", channel.url);
    let mut socket = Socket::connect_trusting(&channel.url, pair.trusting()).await.expect("wss connects");
    assert_eq!(socket.ping(b"echo").await, b"echo");
    // A client that speaks no TLS gets no answer, and the next one is served all the same.
    let plain = url.replacen("https", "http", 1);
    crate::harness::http().get(plain).send().await.expect_err("this port speaks TLS only");
    let space = play(&platform).await;
    let frames = socket.call(&space).await;
    assert_eq!(states(&frames).last().map(|state| state["type"].clone()), Some("ENDING".into()));
    platform.stop().await;
}

#[tokio::test]
async fn wrong_files_are_named_before_anything_is_made() {
    let (one, two) = (Pair::new(), Pair::new());
    let folder = TempDir::new().unwrap();
    let listen = format!("127.0.0.1:{}", ports::free());
    let cases = [
        (one.path("missing.pem"), one.path("tls.key"), "missing.pem"),
        (one.path("tls.key"), one.path("tls.key"), "no certificate"),
        (one.path("tls.pem"), one.path("tls.pem"), "no private key"),
        (one.path("tls.pem"), two.path("tls.key"), "does not fit"),
    ];
    for (certificate, key, said) in cases {
        let flags = ["--tls-cert", &certificate, "--tls-key", &key];
        let arguments = [&["serve", "--example", "--data", "data", "--listen", &listen][..], &flags].concat();
        let ended = App::run(&arguments, folder.path()).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.errors().contains(said), "{said}: {ended:?}");
        assert!(!folder.path().join("data").exists(), "nothing was made");
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_up_while_the_platform_runs() {
    let mut pair = Pair::new();
    let (certificate, key) = (pair.path("tls.pem"), pair.path("tls.key"));
    let flags = ["--tls-cert", &certificate, "--tls-key", &key, "--certificate-look-every", "1"];
    let platform = Platform::start_with(&flags).await;
    let url = format!("{}/healthz", platform.base);
    // A client of its own for each look: a connection keeps the certificate that it began with.
    let trusted = async |tls: ClientConfig| {
        let client = reqwest::Client::builder().use_preconfigured_tls(tls).no_proxy().build().unwrap();
        client.get(&url).send().await.is_ok_and(|answer| answer.status() == 200)
    };
    let former = pair.trusting();
    assert!(trusted(former.clone()).await);
    let session = Person::admin(&platform).grant(&platform, SCOPES).await.session;
    let channel = Channel::create(&session, "tls").await;
    let mut socket = Socket::connect_trusting(&channel.url, former.clone()).await.expect("wss connects");
    // What cannot be used changes nothing and is named.
    std::fs::write(&certificate, "no certificate").unwrap();
    let named = |lines: &[String]| lines.iter().any(|line| line.contains("cannot be used")).then_some(());
    platform.app.stderr.wait("the files that cannot be used", SOON, named).await;
    assert!(trusted(former.clone()).await);
    pair.renew();
    eventually("the renewed certificate", SOON, async || trusted(pair.trusting()).await.then_some(())).await;
    assert!(!trusted(former).await, "the former one is served no more");
    assert_eq!(socket.ping(b"echo").await, b"echo", "open connections go on");
    platform.stop().await;
}

/// Settings of a client of its own that returns to this address.
async fn env_of_client(platform: &Platform, redirect_uri: &str, folder: &std::path::Path) -> String {
    let portal = Portal::open(platform, &Person::admin(platform)).await;
    let mut fields = vec![("name", "Screen pop"), ("redirect_uris", redirect_uri)];
    fields
        .extend(SCOPES.split(' ').chain(["users.v1.read", "identity:scim.me"]).map(|scope| ("scope", scope)));
    fields.push(("grant", "authorization_code"));
    let answer = portal.send("/clients/new", CLIENTS, &fields).await.is(200);
    let example = std::fs::read_to_string(platform.env_file()).unwrap();
    let text = example
        .replace(platform.setting("OAUTH_CLIENT_ID"), &fact(&answer, "Client ID"))
        .replace(platform.setting("OAUTH_CLIENT_SECRET"), &fact(&answer, "Client secret"));
    let file = folder.join("client.env");
    std::fs::write(&file, text).unwrap();
    file.to_string_lossy().into_owned()
}

#[tokio::test]
async fn the_screen_pop_speaks_https_with_cookies_of_its_own() {
    let mut pair = Pair::new();
    let (certificate, key) = (pair.path("tls.pem"), pair.path("tls.key"));
    let platform = Platform::start().await;
    let listen = format!("localhost:{}", ports::free());
    let folder = platform.folder("screen-pop");
    let env = env_of_client(&platform, &format!("https://{listen}/app/redirect"), &folder).await;
    let tls = ["--tls-cert", &certificate, "--tls-key", &key, "--certificate-look-every", "1"];
    let flags = ["screen-pop", "--env", &env, "--state", ".", "--no-browser", "--listen", &listen];
    let app = App::start(&[&flags[..], &tls].concat(), &folder);
    let address = format!("https://{listen}/");
    let says = |lines: &[String]| lines.iter().any(|line| line.contains(&address)).then_some(());
    app.stderr.wait("the address of the page", SOON, says).await;
    let client = |tls: ClientConfig| {
        let client = reqwest::Client::builder().use_preconfigured_tls(tls).no_proxy();
        client.redirect(reqwest::redirect::Policy::none()).build().unwrap()
    };
    let (browser, former) = (client(pair.trusting()), pair.trusting());
    let page = eventually("the page", SOON, async || browser.get(&address).send().await.ok()).await;
    assert_eq!(page.status(), 200);
    let begun = browser.get(format!("{address}sign-in")).send().await.unwrap();
    assert!(begun.status().is_redirection(), "{}", begun.status());
    let cookie = begun.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-") && cookie.contains("; Secure"), "{cookie}");
    let login = begun.headers()["location"].to_str().unwrap();
    assert!(login.contains("redirect_uri%3Dhttps%253A"), "{login}");
    crate::harness::http().get(address.replacen("https", "http", 1)).send().await.expect_err("TLS only");
    pair.renew();
    // A client of its own for each look: a connection keeps the certificate that it began with.
    eventually("the renewed certificate", SOON, async || {
        client(pair.trusting()).get(&address).send().await.ok().map(drop)
    })
    .await;
    assert!(client(former).get(&address).send().await.is_err(), "the former one is served no more");
    app.stop().await;
}
