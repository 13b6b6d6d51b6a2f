//! Whether this machine reaches the hosts, and whether its clock is right.

use jiff::{SignedDuration, Timestamp};
use url::Url;

use super::findings::Finding;
use crate::env::Settings;
use crate::limits;

/// The checks by their names; others depend on them.
pub(super) const REACH_AUTH: &str = "reach authorization server";
pub(super) const REACH_API: &str = "reach API";
pub(super) const REACH_CHANNELS: &str = "reach channels";

/// Whether each host answers, and what time it has there.
pub(super) async fn hosts(settings: &Settings) -> anyhow::Result<Vec<Finding>> {
    let http = reqwest::Client::builder()
        .connect_timeout(limits::DOCTOR_TIMEOUT)
        .timeout(limits::DOCTOR_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let hosts = &settings.hosts;
    let named = [
        (REACH_AUTH, &hosts.auth, "GOTO_AUTH_URL"),
        (REACH_API, &hosts.api, "GOTO_API_URL"),
        (REACH_CHANNELS, &hosts.channel, "GOTO_CHANNEL_URL"),
    ];
    let (mut answers, mut skew) = (Vec::new(), None);
    for (check, url, setting) in named {
        let host = host_of(url);
        let asked = Timestamp::now();
        let answer = match http.get(url.clone()).send().await {
            Ok(answer) => {
                skew = skew.or_else(|| clock_skew(asked, answer.headers()));
                Ok(())
            }
            Err(error) if error.is_timeout() => Err("no answer in time".to_owned()),
            Err(error) => Err(root_cause(&error)),
        };
        answers.push(Answered { check, host, setting, answer });
    }
    let mut findings = reached(&answers);
    findings.extend(skew.map(clock));
    Ok(findings)
}

/// What a host answered, or why it did not.
struct Answered {
    check: &'static str,
    host: String,
    /// Which names another host.
    setting: &'static str,
    answer: Result<(), String>,
}

/// Hosts that are not reached for the same reason are one thing to be mended.
fn reached(answers: &[Answered]) -> Vec<Finding> {
    let finding = |this: &Answered| {
        let Err(why) = &this.answer else {
            return Finding::good(this.check, format!("{} answers", this.host));
        };
        let same: Vec<&Answered> =
            answers.iter().filter(|other| other.answer.as_ref().err() == Some(why)).collect();
        let found = format!("{}: {why}", this.host);
        match same.first() {
            Some(first) if first.check != this.check => {
                let found = format!("the same cause as {}: {found}", first.check);
                Finding::follows(this.check, first.check, found)
            }
            _ => {
                let mut hosts: Vec<&str> = same.iter().map(|other| other.host.as_str()).collect();
                hosts.dedup();
                let settings: Vec<&str> = same.iter().map(|other| other.setting).collect();
                let step = format!(
                    "check name resolution, firewall and proxy of this machine for {}, and {} if you set it",
                    hosts.join(" and "),
                    settings.join(", ")
                );
                Finding::bad(this.check, found, step)
            }
        }
    };
    answers.iter().map(finding).collect()
}

/// With the port where it is not the usual one.
fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The last of the causes says what is the matter: "Connection refused", a name that is not known, a certificate.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// How much this machine's clock is ahead of the server's; its `Date` has whole seconds.
fn clock_skew(asked: Timestamp, headers: &reqwest::header::HeaderMap) -> Option<SignedDuration> {
    let date = headers.get(reqwest::header::DATE)?.to_str().ok()?;
    let there = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(asked.duration_since(there))
}

fn clock(skew: SignedDuration) -> Finding {
    let seconds = skew.as_secs();
    if skew.unsigned_abs() <= limits::CLOCK_SKEW_MAX {
        return Finding::good("clock", format!("within {} s of the server's", seconds.abs() + 1));
    }
    let way = if seconds > 0 { "ahead of" } else { "behind" };
    let time = match seconds.unsigned_abs() {
        seconds @ 0..7200 => format!("{seconds} s"),
        seconds @ 7200..172_800 => format!("{} hours", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    };
    let found = format!("{time} {way} the server's");
    let step = "set the clock of this machine by NTP (timedatectl set-ntp true): tokens and looks go by it";
    Finding::bad("clock", found, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_are_not_reached_for_one_reason_are_one_thing_to_mend() {
        let answered = |check, host: &str, setting, why: &str| Answered {
            check,
            host: host.to_owned(),
            setting,
            answer: if why.is_empty() { Ok(()) } else { Err(why.to_owned()) },
        };
        let told = |whys: [&str; 3]| {
            let [auth, api, channels] = whys;
            let findings = reached(&[
                answered(REACH_AUTH, "auth.example", "GOTO_AUTH_URL", auth),
                answered(REACH_API, "api.example", "GOTO_API_URL", api),
                answered(REACH_CHANNELS, "api.example", "GOTO_CHANNEL_URL", channels),
            ]);
            let bad = findings.iter().filter(|finding| finding.is_bad());
            bad.map(|finding| finding.step.clone()).collect::<Vec<_>>()
        };
        assert_eq!(told(["", "", ""]), [""; 0]);
        let one = told(["network is unreachable"; 3]);
        assert!(one.len() == 1 && one[0].contains("auth.example and api.example"), "{one:?}");
        assert!(one[0].contains("GOTO_AUTH_URL, GOTO_API_URL, GOTO_CHANNEL_URL"), "{one:?}");
        let api = told(["", "refused", "refused"]);
        assert!(api.len() == 1 && api[0].contains("for api.example, and GOTO_API_URL"), "{api:?}");
        assert_eq!(told(["no such name", "refused", ""]).len(), 2);
    }

    #[test]
    fn a_wrong_clock_is_named_with_the_way() {
        assert!(clock(SignedDuration::from_secs(-1)).ok);
        let most = SignedDuration::try_from(limits::CLOCK_SKEW_MAX).unwrap();
        assert!(clock(most).ok && !clock(most + SignedDuration::from_nanos(1)).ok);
        let finding = clock(SignedDuration::from_secs(-600));
        assert!(!finding.ok && finding.found.contains("600 s behind"), "{finding:?}");
        let found = |hours: i64| clock(SignedDuration::from_hours(hours)).found;
        assert_eq!(
            [found(5), found(-99)]
                .map(|found| found.contains("5 hours ahead") || found.contains("4 days behind")),
            [true; 2]
        );
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert("date", "Tue, 03 Feb 2026 17:00:00 GMT".parse().unwrap());
        let skew = clock_skew("2026-02-03T17:05:00Z".parse().unwrap(), &headers);
        assert_eq!(skew, Some(SignedDuration::from_secs(300)));
    }
}
