//! `callfeed export NUMBER` and `callfeed erase NUMBER`: what the store holds of one person, for that person or for
//! nobody any more.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use jiff::Timestamp;
use serde_json::Value;

use super::outputs as output;
use super::outputs::erase::{self, Erased, Match};
use super::print::one_line;
use super::{Lines, Out};
use crate::limits;
use crate::people::number::{Home, Number};
use crate::screen_pop::secrets;
use crate::store::privacy::{self, Candidate};
use crate::store::reports::{self as table, CallKey};
use crate::store::{Store, erasures};

/// Digits at the end of a number that a text must contain to be looked at closely: however people group the digits of a
/// number, the last two stand together.
const SUFFIX_DIGITS: usize = 2;

/// Prints every text of every report in which the number took part, a bare report a line: of the store, then what outputs
/// hold besides. Returns how many calls of the store.
///
/// # Errors
/// When it is no phone number, the store or an output cannot be read, or printing fails.
pub async fn export(
    state_dir: &Path,
    number: &str,
    home: Home,
    outputs: &[output::Wanted],
    out: Out,
) -> anyhow::Result<usize> {
    let wanted = Wanted::read(number, home)?;
    let store = Store::open_existing(state_dir).await?;
    let (mut out, mut search) = (Lines::new(out), Search::new(&store, &wanted));
    let (mut calls, mut printed) = (BTreeSet::new(), BTreeSet::new());
    while let Some(page) = search.next().await? {
        for candidate in page {
            let line = one_line(&candidate.raw);
            if !out.line(&line).await? {
                return Ok(calls.len());
            }
            calls.insert(candidate.call);
            printed.insert(line);
        }
    }
    for line in erase::texts(outputs, &wanted).await? {
        if !printed.contains(&line) && !out.line(&line).await? {
            break;
        }
        printed.insert(line);
    }
    Ok(calls.len())
}

/// Erases every call in which the number took part from the store, and from files and tables that outputs have written.
/// Reports of such calls until now that are fetched later are erased as they arrive.
///
/// # Errors
/// When it is no phone number, or the store or an output fails; done again, it goes on.
pub async fn erase(
    state_dir: &Path,
    number: &str,
    home: Home,
    outputs: &[output::Wanted],
) -> anyhow::Result<Erased> {
    let wanted = Wanted::read(number, home)?;
    let store = Store::open_existing(state_dir).await?;
    let (pool, write) = (&store.pool, "cannot write the store");
    // Before all else: what is stored from here on has been through it.
    let salt = secrets::token().map_err(|_| anyhow!("the system gives no random numbers"))?;
    erasures::remember(pool, &wanted.key, home, &salt, Timestamp::now()).await.context(write)?;
    let mut erased = Erased::default();
    // The outputs first: what the store has names their calls, also when this is done again.
    let (mut search, mut ids) = (Search::new(&store, &wanted), BTreeSet::new());
    while let Some(page) = search.next().await? {
        ids.extend(page.into_iter().map(|candidate| candidate.call));
    }
    erase::erase(outputs, &ids, &wanted, &mut erased).await?;
    // Again, for what was stored and written meanwhile.
    let mut search = Search::new(&store, &wanted);
    while let Some(page) = search.next().await? {
        let calls: BTreeSet<CallKey> = page.into_iter().map(|candidate| candidate.call).collect();
        privacy::erase_calls(pool, &calls, Timestamp::now()).await.context(write)?;
        erased.calls += calls.len();
        ids.extend(calls);
    }
    let mut meanwhile = Erased::default();
    erase::erase(outputs, &ids, &wanted, &mut meanwhile).await?;
    (erased.lines, erased.rows) = (erased.lines + meanwhile.lines, erased.rows + meanwhile.rows);
    privacy::erase_caller(pool, &wanted.key).await.context(write)?;
    privacy::sweep(pool).await.context(write)?;
    erased.to_fetch = table::missing(pool, None).await.context("cannot read the store")?;
    Ok(erased)
}

/// A number that is looked for.
struct Wanted {
    key: String,
    digits: String,
    home: Home,
}

impl Wanted {
    fn read(number: &str, home: Home) -> anyhow::Result<Self> {
        let Number::Phone(phone) = Number::read(number, home) else {
            bail!(
                "{number} is no whole phone number: write it as +13125550147, or name its country with --region"
            );
        };
        let digits = phone.national[phone.national.len().saturating_sub(SUFFIX_DIGITS)..].to_owned();
        Ok(Self { key: phone.e164, digits, home })
    }
}

impl Match for Wanted {
    fn digits(&self) -> &str {
        &self.digits
    }

    /// In any member that is a number, however it is written there.
    fn is_in(&self, value: &Value) -> bool {
        erasures::has_number(value, &mut |text| self.is(text))
    }

    fn is(&self, text: &str) -> bool {
        matches!(Number::read(text, self.home), Number::Phone(phone) if phone.e164 == self.key)
    }
}

struct Search<'a> {
    store: &'a Store,
    wanted: &'a Wanted,
    after: String,
}

impl<'a> Search<'a> {
    fn new(store: &'a Store, wanted: &'a Wanted) -> Self {
        Self { store, wanted, after: String::new() }
    }

    /// All texts of the next calls in which the number took part.
    async fn next(&mut self) -> anyhow::Result<Option<Vec<Candidate>>> {
        let pool = &self.store.pool;
        let page = privacy::candidates(pool, &self.wanted.digits, &self.after, limits::LIST_PAGE)
            .await
            .context("cannot read the store")?;
        let Some(last) = page.last() else { return Ok(None) };
        self.after.clone_from(&last.call.conversation_space_id);
        let is_in = |candidate: &&Candidate| {
            serde_json::from_str(&candidate.raw).is_ok_and(|value| self.wanted.is_in(&value))
        };
        let calls: BTreeSet<CallKey> =
            page.iter().filter(is_in).map(|candidate| candidate.call.clone()).collect();
        Ok(Some(page.into_iter().filter(|one| calls.contains(&one.call)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::changes;

    fn raw(id: &str, number: &str) -> String {
        format!(
            r#"{{"conversationSpaceId": "{id}", "callCreated": "2026-02-03T17:00:00Z", "accountKey": "17",
                "callEnded": "2026-02-03T17:02:41Z", "direction": "INBOUND", "other": {{"callerNumber": "{number}"}}}}"#
        )
    }

    #[tokio::test]
    async fn what_is_erased_is_gone_and_does_not_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let pool = crate::store::testing::open(folder.path()).await.pool;
        let save = async |id: &str, number: &str| {
            let raw = raw(id, number);
            let typed = serde_json::from_str(&raw).unwrap();
            table::save(&pool, &typed, &raw, Timestamp::now(), None).await.unwrap()
        };
        for (id, number) in [("a", "+13125550147"), ("b", "+13125550199"), ("c", "+4913125550147")] {
            save(id, number).await;
        }
        save("b", "+13125550147").await;
        let sink = || Box::new(tokio::io::sink());
        // The second is not in the store any more.
        let files = folder.path().join("out");
        std::fs::create_dir(&files).unwrap();
        let lines = [raw("a", "+13125550147"), raw("z", "312-555-0147"), raw("c", "+13125550199")];
        let text: String = lines.iter().map(|line| one_line(line) + "\n").collect();
        std::fs::write(files.join("reports-2026-02-03.jsonl"), text).unwrap();
        let kind = output::Kind::Jsonl(files.clone());
        let outputs = [output::Wanted { name: "files".to_owned(), kind, from_now: false }];
        let calls = export(folder.path(), "(312) 555-0147", Home::default(), &outputs, sink()).await.unwrap();
        assert_eq!(
            calls, 2,
            "also a call whose earlier or present text alone has it, no other country's number"
        );
        table::announce(&pool, "17", "f", Timestamp::now()).await.unwrap();
        let erased = erase(folder.path(), "312 555 0147", Home::default(), &outputs).await.unwrap();
        assert_eq!((erased.calls, erased.lines, erased.to_fetch), (2, 2, 1));
        let written = std::fs::read_to_string(files.join("reports-2026-02-03.jsonl")).unwrap();
        assert!(!written.contains("0147") && written.contains("0199"), "{written}");
        assert_eq!(changes::after(&pool, 0, 9).await.unwrap().len(), 1);
        // On PostgreSQL there is no file.
        let file = std::fs::read(folder.path().join("callfeed.db")).unwrap_or_default();
        assert!(!file.windows(12).any(|bytes| bytes == b"+13125550147"), "nothing of it is left in the file");

        assert!(!table::announce(&pool, "17", "a", Timestamp::now()).await.unwrap());
        table::announce_again(&pool, "17", "a", Timestamp::now()).await.unwrap();
        assert_eq!(save("a", "+13125550147").await, table::Saved::Known, "a fetch that was on its way");
        assert_eq!(
            save("f", "312-555-0147").await,
            table::Saved::Erased,
            "a call of before that is found later"
        );
        assert_eq!(table::waiting(&pool, "17").await.unwrap(), 0, "neither is fetched again");
        assert_eq!(save("g", "+13125550199").await, table::Saved::New);
        assert_eq!(
            export(folder.path(), "+13125550147", Home::default(), &outputs, sink()).await.unwrap(),
            0
        );
        assert!(erase(folder.path(), "1001", Home::default(), &[]).await.is_err());
    }
}
