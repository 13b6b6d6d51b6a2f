//! `callfeed check-config`: every problem is named before a start, and nothing is changed.

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::app::Ended;
use crate::harness::{App, Platform, ports};

async fn check(folder: &TempDir, flags: &[&str]) -> Ended {
    App::run(&[&["check-config"], flags].concat(), folder.path()).await
}

/// Level and message of one subject.
fn finding(ended: &Ended, subject: &str) -> (String, String) {
    let document: Value = serde_json::from_str(&ended.stdout.join("\n")).expect("JSON");
    let findings = document["findings"].as_array().expect("findings");
    let found = findings.iter().find(|finding| finding["subject"] == subject);
    let found = found.unwrap_or_else(|| panic!("nothing about {subject}: {document:#}"));
    (found["level"].as_str().unwrap().to_owned(), found["message"].as_str().unwrap().to_owned())
}

fn certificate(folder: &TempDir, days: i64) {
    let mut wanted = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let day = |days: i64| {
        let date = jiff::Zoned::now().date() + jiff::SignedDuration::from_hours(24 * days);
        rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    (wanted.not_before, wanted.not_after) = (day(-400), day(days));
    let key = rcgen::KeyPair::generate().unwrap();
    std::fs::write(folder.path().join("tls.pem"), wanted.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(folder.path().join("tls.key"), key.serialize_pem()).unwrap();
}

#[tokio::test]
async fn a_good_configuration_passes_and_nothing_is_made() {
    let folder = TempDir::new().unwrap();
    let listen = format!("127.0.0.1:{}", ports::free());
    let ended = check(&folder, &["--listen", &listen, "--data", "data"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.iter().any(|line| line.starts_with("ok") && line.contains(&listen)), "{ended:?}");
    assert!(!folder.path().join("data").exists());
}

#[tokio::test]
async fn every_problem_is_named_at_once() {
    let folder = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("callfeed.db"), "this is no database at all, however long it may be").unwrap();
    certificate(&folder, -3);
    let flags = [
        "--json",
        "--listen",
        &listen,
        "--data",
        "data",
        "--public-url",
        "https://calls.example.com/path",
        "--tls-cert",
        "tls.pem",
        "--tls-key",
        "tls.key",
    ];
    let ended = check(&folder, &flags).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors().contains("3 problems"), "{ended:?}");
    for subject in ["--listen", "database", "public URL"] {
        assert_eq!(finding(&ended, subject).0, "problem", "{subject}");
    }
    // What the start would live with keeps nobody from starting.
    let (level, message) = finding(&ended, "certificate");
    assert!(level == "warning" && message.contains("expired"), "{level} {message}");
    certificate(&folder, 20);
    let (level, message) = finding(&check(&folder, &flags).await, "certificate");
    assert!(level == "warning" && message.contains("renew"), "{level} {message}");
    certificate(&folder, 90);
    assert_eq!(finding(&check(&folder, &flags).await, "certificate").0, "ok");
}

#[tokio::test]
async fn a_platform_that_runs_and_a_database_that_is_newer_are_seen() {
    let mut platform = Platform::start().await;
    let folder = TempDir::new().unwrap();
    let data = platform.env_file().parent().unwrap().to_string_lossy().into_owned();
    let (listen, database) = (platform.base.trim_start_matches("http://").to_owned(), platform.database());
    let mut flags = vec!["--json", "--example", "--listen", &listen, "--data", &data];
    if database.starts_with("postgres") {
        flags.extend(["--database", &database]);
    }
    let ended = check(&folder, &flags).await;
    assert_eq!(ended.code, Some(0), "one may look while it runs: {ended:?}");
    assert_eq!(finding(&ended, "one platform").0, "warning");
    assert!(finding(&ended, "database").1.contains("newest"));
    platform.kill9().await;
    sqlx::any::install_default_drivers();
    let mut connection = <sqlx::AnyConnection as sqlx::Connection>::connect(&database).await.unwrap();
    let newer = "update _sqlx_migrations set version = 9000 where version = 1";
    sqlx::query(newer).execute(&mut connection).await.unwrap();
    drop(connection);
    let ended = check(&folder, &flags).await;
    let (level, message) = finding(&ended, "database");
    assert!(level == "problem" && message.contains("9000") && message.contains("newer"), "{message}");
    assert_eq!((ended.code, finding(&ended, "one platform").0.as_str()), (Some(1), "ok"));
}

#[tokio::test]
async fn a_database_that_is_no_file_is_refused_by_the_start_and_by_the_check() {
    let folder = TempDir::new().unwrap();
    let listen = format!("127.0.0.1:{}", ports::free());
    for database in ["sqlite::memory:", "sqlite://other.db?mode=memory"] {
        let flags = ["--data", "data", "--listen", &listen, "--example", "--database", database];
        for command in ["serve", "check-config"] {
            let ended = App::run(&[&[command], &flags[..]].concat(), folder.path()).await;
            let said = format!("{}\n{}", ended.stdout.join("\n"), ended.errors());
            assert_eq!(ended.code, Some(1), "{command} {database}: {said}");
            assert!(said.contains("write sqlite://PATH"), "{command} {database}: {said}");
        }
    }
    assert!(!folder.path().join("other.db").exists());
}

#[tokio::test]
async fn what_would_surprise_later_is_said_before() {
    let folder = TempDir::new().unwrap();
    let listen = format!("127.0.0.1:{}", crate::harness::ports::free());
    let data = folder.path().join("data").to_string_lossy().into_owned();
    let flags = ["--json", "--data", &data, "--listen", &listen, "--metrics-listen", &listen];
    let ended = check(&folder, &flags).await;
    let (level, message) = finding(&ended, "--metrics-listen");
    assert!(level == "problem" && message.contains("--listen"), "{level} {message}");
    let (level, message) = finding(&ended, "account");
    assert!(level == "warning" && message.contains("--office"), "{level} {message}");
    let flags = ["--json", "--example", "--data", &data, "--public-url", "calls.example.com:8443"];
    let ended = check(&folder, &flags).await;
    assert!(ended.errors().contains("did you mean https://calls.example.com:8443?"), "{ended:?}");
}

#[tokio::test]
async fn an_account_of_another_kind_is_seen_before_the_start() {
    let folder = TempDir::new().unwrap();
    let office = folder.path().join("office.toml");
    std::fs::write(&office, crate::office::practice()).unwrap();
    let office = office.to_string_lossy().into_owned();
    let (example, file) = (&["--example"][..], &["--office", office.as_str()][..]);
    for (made, other) in [(example, file), (file, example)] {
        let platform = Platform::start_with(if made == file { file } else { &[] }).await;
        let data = platform.env_file().parent().unwrap().to_string_lossy().into_owned();
        let (listen, database) =
            (platform.base.trim_start_matches("http://").to_owned(), platform.database());
        let mut flags = vec!["--json", "--listen", &listen, "--data", &data];
        if database.starts_with("postgres") {
            flags.extend(["--database", &database]);
        }
        let ended = check(&folder, &[&flags, made].concat()).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let ended = check(&folder, &[&flags, other].concat()).await;
        assert_eq!((ended.code, finding(&ended, "account").0.as_str()), (Some(1), "problem"), "{ended:?}");
        platform.stop().await;
    }
}
