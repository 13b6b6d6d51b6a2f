//! Files as people have them, and what becomes of their rows.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{ImportError, Imported, Options, columns, import};
use crate::{
    people::{
        compare::Level,
        contact::{Candidate, certain, rank},
        limits::IMPORT_CHUNK_ROWS,
        number::{Home, Number},
    },
    store::{Store, contacts as store, kept_contacts, testing},
};

struct Shop {
    folder: tempfile::TempDir,
    store: Store,
}

impl Shop {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = testing::open(folder.path()).await;
        Self { folder, store }
    }

    async fn import(&self, file: &str, content: &[u8], map: &str) -> Result<Imported, ImportError> {
        self.import_as(file, content, map, false).await
    }

    async fn import_as(
        &self,
        file: &str,
        content: &[u8],
        map: &str,
        replace_all: bool,
    ) -> Result<Imported, ImportError> {
        let path = self.folder.path().join(file);
        std::fs::write(&path, content).unwrap();
        let options = Options {
            name: "customers".into(),
            told: columns::told(map).unwrap(),
            chosen: None,
            home: Home::default(),
            replace_all,
            rejects: self.folder.path().join("rejected.txt"),
            file: path,
        };
        import(&self.store.pool, options, |_| {}).await
    }

    async fn find(&self, text: &str) -> Vec<Candidate> {
        let number = Number::read(text, Home::default());
        let found = store::candidates(&self.store.pool, &number).await.unwrap();
        let picked = store::picked(&self.store.pool, &number).await.unwrap();
        rank(&number, found, picked.as_deref(), Home::default())
    }

    fn report(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("rejected.txt")).unwrap()
    }
}

fn names(found: &[Candidate]) -> Vec<&str> {
    found.iter().map(|candidate| candidate.contact.name.as_str()).collect()
}

#[tokio::test]
async fn a_file_is_imported_and_its_people_are_found() {
    let shop = Shop::open().await;
    let csv = "\u{feff}Name;Company;Phone;Mobile;Tier;City\r\n\
        Ada Example;Acme;+1 312 555 0147;;Gold;Chicago\r\n\
        \"Bo; Sample\";Acme;(312) 555-0148;+1 312-555-0147 x12;;\r\n\
        Cy Local;;555-0147;;;\r\n";
    let imported = shop.import("a.csv", csv.as_bytes(), "").await.unwrap();
    assert_eq!(imported, Imported { contacts: 3, numbers: 4, ..Imported::default() });
    let found = shop.find("+13125550147").await;
    assert_eq!(names(&found), ["Ada Example", "Bo; Sample", "Cy Local"]);
    let levels: Vec<_> = found.iter().map(|candidate| candidate.matched.level).collect();
    assert_eq!(levels, [Level::Exact, Level::Exact, Level::Maybe]);
    assert_eq!(found[0].contact.tier, "Gold");
    assert_eq!(found[0].contact.other["City"], "Chicago");
    assert!(certain(&found).is_none(), "two are as good as each other");
    assert_eq!(names(&shop.find("3125550148").await), ["Bo; Sample"]);
    assert!(shop.find("Anonymous").await.is_empty() && shop.find("+13125550100").await.is_empty());

    // A pick is remembered, for this number alone.
    let number = Number::read("+13125550147", Home::default());
    store::pick(&shop.store.pool, &number, &found[2].contact.key(), jiff::Timestamp::now()).await.unwrap();
    let again = shop.find("+13125550147").await;
    assert_eq!((names(&again)[0], again[0].picked), ("Cy Local", true));
    assert_eq!(certain(&again).unwrap().contact.name, "Cy Local");
}

#[tokio::test]
async fn columns_tell_of_open_tickets_and_the_next_appointment() {
    let shop = Shop::open().await;
    let csv = "Name,Phone,Open tickets,Ticket,Next appointment,Appointment title\n\
        Ada Example,+1 312 555 0147,3,Printer on fire,2026-02-05 14:00,Demo\n\
        Bo Sample,+1 312 555 0148,many,,soon,\n";
    shop.import("d.csv", csv.as_bytes(), "").await.unwrap();
    let ada = shop.find("+13125550147").await.remove(0).contact;
    let tickets = ada.tickets.as_ref().map(|tickets| (tickets.open, tickets.newest.as_str()));
    assert_eq!(tickets, Some((3, "Printer on fire")));
    let next = ada.appointments.first().map(|one| (one.at.as_str(), one.title.as_str()));
    assert_eq!(next, Some(("2026-02-05 14:00", "Demo")));
    let bo = shop.find("+13125550148").await.remove(0).contact;
    assert_eq!((bo.tickets, bo.appointments.len()), (None, 0));
    assert_eq!(bo.other["Open tickets"], "many", "what cannot be read so is a line on the card");
}

#[tokio::test]
async fn rows_that_cannot_be_used_are_counted_named_and_kept() {
    let shop = Shop::open().await;
    let csv =
        "name,phone\nAda,3125550147\nNo number,\nWords,call me\nToo,many,fields\nHalf,3125550148/call me\n\n";
    let imported = shop.import("b.csv", csv.as_bytes(), "").await.unwrap();
    assert_eq!((imported.contacts, imported.rejected, imported.unreadable_numbers), (2, 3, 2));
    let report = shop.report();
    for line in [
        "line 3: no number",
        "line 4: no number",
        "line 5: it has another number of fields",
        "line 6: a number",
    ] {
        assert!(report.contains(line), "{line} is missing in {report}");
    }
    assert!(report.contains("Too,many,fields"), "the row itself is kept: {report}");
}

#[tokio::test]
async fn an_import_takes_the_place_of_the_last_one_or_changes_nothing() {
    let shop = Shop::open().await;
    shop.import("c.csv", b"name,phone\nOld,3125550147\nGone,3125550148\n", "").await.unwrap();
    shop.import("c.csv", b"name,phone\nNew,3125550147\n", "").await.unwrap();
    assert_eq!(names(&shop.find("3125550147").await), ["New"]);
    assert!(shop.find("3125550148").await.is_empty());
    assert_eq!(store::imports(&shop.store.pool).await.unwrap()[0].1, 1);

    // A quotation mark that is not closed, behind rows that were written already.
    let mut broken = b"name,phone\n".to_vec();
    for n in 0..IMPORT_CHUNK_ROWS + 10 {
        broken.extend(format!("Broken {n},3125550147\n").bytes());
    }
    broken.extend(b"\"never closed,3125550147\n");
    broken.extend(b"x".repeat(3 << 20));
    let error = shop.import("c.csv", &broken, "").await.unwrap_err();
    assert!(matches!(error, ImportError::RowTooLong { line, .. } if line > 2_000), "{error}");
    assert_eq!(names(&shop.find("3125550147").await), ["New"]);

    let nothing = shop.import("d.csv", b"a,b\n1,2\n", "").await.unwrap_err();
    assert!(nothing.to_string().contains("--map phone="), "{nothing}");
    assert!(matches!(shop.import("e.csv", b"", "").await, Err(ImportError::Empty { .. })));
    assert_eq!(names(&shop.find("3125550147").await), ["New"]);
}

#[tokio::test]
async fn a_file_without_contacts_or_with_few_does_not_take_the_place_of_a_good_list() {
    let shop = Shop::open().await;
    let good = b"name,phone\nAda,3125550147\nBo,3125550148\nCy,3125550149\nDi,3125550150\n";
    shop.import("a.csv", good, "").await.unwrap();
    let wrong = shop.import("b.csv", b"name,phone\nAda,\nBo,x,y\nCy,front gate\n", "").await.unwrap_err();
    let words = wrong.to_string();
    for part in ["none of its 3 rows", "line 2: no number", "line 3: it has another", "line 4: no number"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let empty = shop.import("c.csv", b"name,phone\n", "").await.unwrap_err();
    assert!(matches!(empty, ImportError::Empty { .. }), "{empty}");
    let few = b"name,phone\nNew,3125550147\n";
    let loses = shop.import("d.csv", few, "").await.unwrap_err();
    assert!(loses.to_string().contains("customers has 4 contacts, and this file only 1"), "{loses}");
    assert_eq!(store::count(&shop.store.pool, "customers").await.unwrap(), 4);
    assert_eq!(names(&shop.find("3125550147").await), ["Ada"]);
    shop.import_as("d.csv", few, "", true).await.unwrap();
    assert_eq!(names(&shop.find("3125550147").await), ["New"]);
    // Half may go.
    shop.import("a.csv", good, "").await.unwrap();
    shop.import("e.csv", b"name,phone\nNew,3125550147\nBo,3125550148\n", "").await.unwrap();
}

#[tokio::test]
async fn a_phone_is_known_by_its_values_as_on_the_page() {
    let shop = Shop::open().await;
    let file = b"Who,Main line\nAda,+1 312 555 0147\n";
    shop.import("i.csv", file, "name=Who").await.unwrap();
    assert_eq!(names(&shop.find("3125550147").await), ["Ada"]);
}

#[tokio::test]
async fn columns_can_be_told_and_old_files_are_read() {
    let shop = Shop::open().await;
    // Windows-1252, tabs.
    let file = b"Wer\tLeitung 1\nM\xfcller\t(312) 555-0147\n";
    shop.import("f.tsv", file, "name=Wer,phone=Leitung 1").await.unwrap();
    assert_eq!(names(&shop.find("3125550147").await), ["M\u{fc}ller"]);
    let wide: Vec<u8> = "name\tphone\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let refused = shop.import("g.tsv", &[b"\xff\xfe", &wide[..]].concat(), "").await.unwrap_err();
    assert!(refused.to_string().contains("UTF-16") && refused.to_string().contains("CSV UTF-8"), "{refused}");
}

#[tokio::test]
async fn vcards_of_all_versions() {
    let shop = Shop::open().await;
    let cards = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada Example\r\nORG:Acme;Sales\r\n\
        item1.TEL;TYPE=CELL:+1 312 555 0147\r\nTEL;TYPE=WORK:(312) 555-0148\r\nEMAIL:ada@example.com\r\n\
        NOTE:Likes a long\r\n  folded line\r\nEND:VCARD\r\n\
        BEGIN:VCARD\r\nVERSION:4.0\r\nN:Sample;Bo;;;\r\nTEL;VALUE=uri:tel:+1-312-555-0149;ext=5\r\nEND:VCARD\r\n\
        BEGIN:VCARD\r\nVERSION:3.0\r\nFN:No number\r\nEND:VCARD\r\n";
    let imported = shop.import("g.vcf", cards.as_bytes(), "").await.unwrap();
    assert_eq!((imported.contacts, imported.numbers, imported.rejected), (2, 3, 1));
    let ada = shop.find("+13125550147").await;
    assert_eq!(
        (ada[0].contact.name.as_str(), ada[0].contact.company.as_str()),
        ("Ada Example", "Acme, Sales")
    );
    assert_eq!(ada[0].contact.notes, "Likes a long folded line");
    let bo = shop.find("+13125550149").await;
    assert_eq!(bo[0].contact.name, "Bo Sample");
}

#[tokio::test]
async fn progress_is_told_and_a_company_is_found_by_its_direct_dials() {
    let shop = Shop::open().await;
    let path = shop.folder.path().join("h.csv");
    std::fs::write(&path, "name,phone\nZentrale,+49 30 23125-0\n").unwrap();
    let rows = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&rows);
    let options = Options {
        file: path,
        name: "h".into(),
        told: Vec::new(),
        chosen: None,
        home: "DE".parse().unwrap(),
        replace_all: false,
        rejects: shop.folder.path().join("rejected.txt"),
    };
    import(&shop.store.pool, options, move |read| told.store(read, Ordering::Relaxed)).await.unwrap();
    assert_eq!(rows.load(Ordering::Relaxed), 1);
    let found = shop.find("+493023125123").await;
    assert_eq!((names(&found), found[0].matched.level), (vec!["Zentrale"], Level::Maybe));
}

#[tokio::test]
async fn contacts_are_added_by_hand() {
    let shop = Shop::open().await;
    let number = Number::read("3125550147", Home::default());
    for name in ["Ada", "Ada Example"] {
        let contact = crate::people::contact::Contact {
            name: name.into(),
            reference: "+13125550147".into(),
            ..Default::default()
        };
        let new = store::NewContact::new(contact, vec![("3125550147".into(), number.clone())]);
        kept_contacts::add(&shop.store.pool, new, jiff::Timestamp::now()).await.unwrap();
    }
    let found = shop.find("+13125550147").await;
    assert_eq!((names(&found), found[0].contact.source.as_str()), (vec!["Ada Example"], store::BY_HAND));
}
