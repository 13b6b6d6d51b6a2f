//! Who is one person among the contacts of several sources: a table of cases.

use crate::people::{
    contact::{Contact, certain, rank},
    number::{Home, Number},
};

const NUMBER: &str = "+13125550147";

/// A contact of a source: "source: name | e-mail | company | number"; without a number it is the caller's.
fn contact(text: &str) -> Contact {
    let (source, rest) = text.split_once(": ").unwrap();
    let part = |at: usize| rest.split('|').nth(at).unwrap_or_default().trim().to_owned();
    let number = Some(part(3)).filter(|number| !number.is_empty()).unwrap_or(NUMBER.to_owned());
    Contact {
        source: source.to_owned(),
        reference: rest.to_owned(),
        name: part(0),
        email: part(1),
        company: part(2),
        numbers: vec![number],
        ..Contact::default()
    }
}

/// How many people these contacts are, in whatever order they come.
#[track_caller]
fn check(contacts: &[&str], people: usize) {
    let party = Number::read(NUMBER, Home::default());
    let mut all: Vec<Contact> = contacts.iter().map(|text| contact(text)).collect();
    for _ in 0..all.len() {
        all.rotate_left(1);
        let found = rank(&party, all.clone(), None, Home::default());
        let names: Vec<_> = found.iter().map(|one| &one.contact.name).collect();
        assert_eq!(found.len(), people, "{contacts:?} are {names:?}");
        let parts: usize = found.iter().map(|one| one.parts.len()).sum();
        assert_eq!(parts, contacts.len(), "nobody is lost: {contacts:?}");
        if people == 1 {
            assert!(certain(&found).is_some(), "{contacts:?}");
        }
    }
}

#[test]
fn one_person_of_several_sources_is_shown_once() {
    check(&["csv: Ada Example", "HubSpot: Ada Example"], 1);
    check(&["csv: Ada Example", "HubSpot: ADA  EXAMPLE "], 1);
    check(&["csv: Example, Ada", "HubSpot: Ada Example"], 1);
    check(&["csv: José Muñoz", "HubSpot: Jose Munoz"], 1);
    check(&["csv: Jose\u{301} Mun\u{303}oz", "HubSpot: Jose Munoz"], 1);
    check(&["csv: Zoë O'Neil-Łuk", "HubSpot: zoe oneil luk"], 1);
    check(&["csv: J.R. Example", "HubSpot: JR Example"], 1);
    check(&["csv: Ада Пример", "HubSpot: ада пример"], 1);
    check(&["csv: Ada Example", "HubSpot: Ada Example", "Zendesk: Ada Example"], 1);
    // The number was written in another way, which is as sure.
    check(&["csv: Ada Example|||(312) 555-0147", "HubSpot: Ada Example"], 1);
    check(&["csv: Ada Example|||+1 312 555 0147 x12", "HubSpot: Ada Example"], 1);
    // The same name is enough, though the rest differs.
    check(&["csv: Ada Example|ada@home.example|Acme", "HubSpot: Ada Example|ada@work.example|Other"], 1);
    check(&["csv: Ada|ada@work.example", "HubSpot: Ada Example|ADA@work.example "], 1);
    check(&["csv: |ada@work.example|Acme", "HubSpot: Ada Example|ada@work.example"], 1);
    check(&["csv: ||Acme Ltd.", "HubSpot: ||ACME Ltd"], 1);
}

#[test]
fn whoever_may_be_another_stays() {
    check(&["csv: Ada Example", "HubSpot: Bo Sample"], 2);
    check(&["csv: Ada Example", "HubSpot: Ada Sample"], 2);
    check(&["csv: Thomas James", "HubSpot: James Thomas"], 2);
    check(&["csv: Ada Example", "HubSpot: Ada"], 2);
    check(&["csv: Ada Example", "HubSpot: ||Acme"], 2);
    check(&["csv: Ada Example||Acme", "HubSpot: ||Acme"], 2);
    // A mailbox that several read.
    check(&["csv: Ada Example|info@acme.example", "HubSpot: Bo Sample|info@acme.example"], 2);
    check(&["csv: Ada Example|-", "HubSpot: Ada|-"], 2);
    // Two records of one source are two records, there and beside another source.
    check(&["csv: Ada Example|a@x.example", "csv: Ada Example|b@x.example"], 2);
    check(&["csv: Ada Example|a@x.example", "csv: Ada Example|b@x.example", "HubSpot: Ada Example"], 3);
    // Clear for two pairs of three.
    check(&["a: Ada|e@x.example", "b: Ada Example|e@x.example", "c: Ada Sample|e@x.example"], 3);
    // The number is doubtful.
    check(&["csv: Ada Example|||555-0147", "HubSpot: Ada Example"], 2);
    check(&["csv: Ada Example|||555-0147", "HubSpot: Ada Example|||5550147"], 2);
    check(&["csv: Müller", "HubSpot: Mueller"], 2);
}

#[test]
fn what_one_source_lacks_another_fills_in_and_a_pick_of_either_counts() {
    let party = Number::read(NUMBER, Home::default());
    let mut crm = contact("HubSpot: Ada Example|ada@x.example|Acme|+1 312 555 0147");
    crm.link = "https://crm.example/1".into();
    crm.other.insert("Title".into(), "CTO".into());
    let mut list = contact("csv: Ada Example||Acme Ltd");
    list.other.insert("Title".into(), "Boss".into());
    list.tier = "Gold".into();
    let picked = crm.key();
    let found = rank(&party, vec![list, crm], Some(&picked), Home::default());
    assert_eq!(found.len(), 1);
    let ada = &found[0];
    assert!(ada.picked && ada.has_key(&picked) && !ada.has_key("csv/x"));
    let contact = &ada.contact;
    assert_eq!((contact.tier.as_str(), contact.email.as_str()), ("Gold", "ada@x.example"));
    assert_eq!(
        (contact.company.as_str(), contact.other["Title"].as_str()),
        ("Acme", "CTO"),
        "the picked one first"
    );
    assert_eq!(contact.numbers, ["+1 312 555 0147", NUMBER]);
}
