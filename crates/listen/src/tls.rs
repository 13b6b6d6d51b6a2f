//! https and wss from a program's own port: a certificate chain and its key in PEM files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use tokio_util::sync::CancellationToken;

use crate::limits;

/// Where the certificate and its key are.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// PEM: the server's certificate first, then the ones that lead to the root.
    pub certificate: PathBuf,
    /// PEM: PKCS #8, PKCS #1 or SEC1, not encrypted.
    pub key: PathBuf,
}

/// Why files cannot be used; each names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{0} has no certificate in it: give a PEM file that begins with the server's certificate")]
    NoCertificate(PathBuf),
    #[error("{0} has no private key in it: give a PEM file with a key that is not encrypted")]
    NoKey(PathBuf),
    #[error("{path} is not a PEM file that can be read: {why}")]
    Pem { path: PathBuf, why: pem::Error },
    #[error(
        "the key in {key} does not fit the certificate in {certificate}: give the pair that belongs together"
    )]
    KeyDoesNotFit { certificate: PathBuf, key: PathBuf },
    #[error("the certificate in {certificate} with the key in {key} cannot be used: {why}")]
    Unusable { certificate: PathBuf, key: PathBuf, why: rustls::Error },
}

/// What new connections are served with.
#[derive(Clone, Debug)]
pub struct Served(Arc<Mutex<Arc<ServerConfig>>>);

impl Served {
    #[must_use]
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self(Arc::new(Mutex::new(config)))
    }

    /// What the next connection is served with.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        // Whole after every step.
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, config: Arc<ServerConfig>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }
}

/// Takes renewed files up, looking for them every `look_every`, and says once a day when the certificate is about to
/// expire, until `stop`. `expires_s` is when it does, and `renewed` is told when a renewed one does, in seconds since 1970.
/// Files that cannot be used are named in the log, and the former ones serve on.
pub async fn follow(
    files: TlsFiles,
    served: Served,
    mut expires_s: i64,
    look_every: Duration,
    stop: CancellationToken,
    renewed: impl Fn(i64) + Send,
) {
    let mut seen = stamp(&files);
    let mut looks = tokio::time::interval(look_every);
    let mut days = tokio::time::interval(limits::CERTIFICATE_CHECK_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = days.tick() => warn_of_expiry(expires_s),
            _ = looks.tick() => {
                let read = || load(&files).and_then(|config| Ok((config, expiry_s(&files)?)));
                match read_if_changed(&mut seen, stamp(&files), read) {
                    None => {}
                    Some(Ok((config, new_expires_s))) => {
                        served.replace(config);
                        expires_s = new_expires_s;
                        renewed(expires_s);
                        tracing::info!("new connections are served with the renewed certificate");
                    }
                    Some(Err(error)) => {
                        tracing::warn!("the renewed certificate cannot be used, the former one serves on: {error}");
                    }
                }
            }
        }
    }
}

type Stamp = [Option<(Option<SystemTime>, u64)>; 2];

/// Reads the files again if they are not as they were `seen`.
fn read_if_changed<T>(
    seen: &mut Stamp,
    now: Stamp,
    read: impl FnOnce() -> Result<T, TlsError>,
) -> Option<Result<T, TlsError>> {
    if *seen == now {
        return None;
    }
    let read = read();
    // Rights that are given afterwards leave no trace in the stamp: what could not be read is tried at each look.
    if !matches!(read, Err(TlsError::Read { .. })) {
        // Of two files that are written one after the other, the second changes this again.
        *seen = now;
    }
    Some(read)
}

/// Tells one state of the files from another; a link leads to the file itself.
fn stamp(files: &TlsFiles) -> Stamp {
    [&files.certificate, &files.key].map(|path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok(), about.len()))
    })
}

/// Reads the files and checks that they belong together.
///
/// # Errors
/// Name the file and what is wrong with it.
pub fn load(files: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let certificates = certificates(&files.certificate)?;
    let key = private_key(&files.key)?;
    let unusable = |why: rustls::Error| {
        let TlsFiles { certificate, key } = files.clone();
        match why {
            rustls::Error::InconsistentKeys(_) => TlsError::KeyDoesNotFit { certificate, key },
            why => TlsError::Unusable { certificate, key, why },
        }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Whole days from now until an instant in seconds since 1970; negative once it is over.
#[must_use]
pub fn days_until(expires_s: i64) -> i64 {
    (expires_s - jiff::Timestamp::now().as_second()).div_euclid(86_400)
}

/// When the server's certificate expires, in seconds since 1970.
///
/// # Errors
/// When the file has no certificate that can be read.
pub fn expiry_s(files: &TlsFiles) -> Result<i64, TlsError> {
    let found = certificates(&files.certificate)?;
    let (_, certificate) = x509_parser::parse_x509_certificate(&found[0])
        .map_err(|_| TlsError::NoCertificate(files.certificate.clone()))?;
    Ok(certificate.validity().not_after.timestamp())
}

/// Says so when the certificate that is served is about to expire, or has expired.
pub fn warn_of_expiry(expires_s: i64) {
    match days_until(expires_s) {
        days if days < 0 => tracing::error!("the certificate has expired: renew it"),
        days if days < limits::CERTIFICATE_WARN_DAYS => {
            tracing::warn!(days, "the certificate expires soon: renew it");
        }
        _ => {}
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let found = read.map_err(|why| TlsError::Pem { path: path.to_owned(), why })?;
    if found.is_empty() { Err(TlsError::NoCertificate(path.to_owned())) } else { Ok(found) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|why| match why {
        pem::Error::NoItemsFound => TlsError::NoKey(path.to_owned()),
        why => TlsError::Pem { path: path.to_owned(), why },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate and its key in files.
    fn pair(folder: &Path, name: &str) -> TlsFiles {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let certificate = folder.join(format!("{name}.pem"));
        let key = folder.join(format!("{name}.key"));
        std::fs::write(&certificate, made.cert.pem()).expect("written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        TlsFiles { certificate, key }
    }

    fn error(certificate: &Path, key: &Path) -> String {
        let files = TlsFiles { certificate: certificate.to_owned(), key: key.to_owned() };
        load(&files).expect_err("these files are wrong").to_string()
    }

    #[test]
    fn files_that_change_are_read_once_and_those_that_could_not_be_read_at_each_look() {
        let (old, new) = ([None, Some((None, 1))], [None, Some((None, 2))]);
        let mut seen = old;
        assert!(read_if_changed(&mut seen, old, || Ok(())).is_none(), "nothing changed");
        let source = || std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        for _ in 0..2 {
            let unread = || Err::<(), _>(TlsError::Read { path: "tls.key".into(), source: source() });
            assert!(read_if_changed(&mut seen, new, unread).is_some_and(|read| read.is_err()));
        }
        // The same files, which may be read now.
        assert!(read_if_changed(&mut seen, new, || Ok(())).is_some_and(|read| read.is_ok()));
        assert!(read_if_changed(&mut seen, new, || Ok(())).is_none());
        let wrong = || Err::<(), _>(TlsError::NoKey("tls.key".into()));
        assert!(read_if_changed(&mut seen, old, wrong).is_some_and(|read| read.is_err()));
        assert!(
            read_if_changed(&mut seen, old, || Ok(())).is_none(),
            "a file that is wrong stays wrong until it changes"
        );
    }

    #[test]
    fn each_mistake_is_named_with_its_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (one, two) = (pair(folder.path(), "one"), pair(folder.path(), "two"));
        load(&one).expect("a pair that fits");
        let missing = folder.path().join("missing.pem");
        let said = error(&missing, &one.key);
        assert!(said.contains("missing.pem") && said.contains("cannot read"), "{said}");
        let said = error(&one.key, &one.key);
        assert!(said.contains("one.key has no certificate"), "{said}");
        let said = error(&one.certificate, &one.certificate);
        assert!(said.contains("one.pem has no private key"), "{said}");
        let said = error(&one.certificate, &two.key);
        assert!(said.contains("two.key does not fit"), "{said}");
        let broken = folder.path().join("broken.pem");
        let text = "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n";
        std::fs::write(&broken, text).expect("written");
        let said = error(&broken, &one.key);
        assert!(said.contains("broken.pem"), "{said}");
    }
}
