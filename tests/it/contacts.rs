//! `callfeed contacts`: lists that are imported, and the one of the contacts that people kept on cards, which no file takes
//! the place of.

use apps::people::{
    contact::Contact,
    number::{Home, Number},
};
use apps::store::{Store, contacts::NewContact, kept_contacts};
use tempfile::TempDir;

use crate::harness::App;

#[tokio::test]
async fn no_import_takes_the_place_of_contacts_that_were_kept_on_cards() {
    let folder = TempDir::new().unwrap();
    let number = Number::read("+13125550147", Home::default());
    let key = number.key().unwrap().to_owned();
    let contact = Contact { reference: key.clone(), name: "Ada Example".into(), ..Contact::default() };
    let store = Store::open(&folder.path().join("callfeed-state")).await.unwrap();
    let new = NewContact::new(contact, vec![(key, number)]);
    kept_contacts::add(&store.pool, new, jiff::Timestamp::now()).await.unwrap();
    store.pool.close().await;

    let rows = "name,phone\nBo Sample,+13125550148\n";
    std::fs::write(folder.path().join("list.csv"), rows).unwrap();
    std::fs::write(folder.path().join("by hand.csv"), rows).unwrap();
    let run = async |arguments: &[&str]| {
        let ended = App::run(&[&["contacts"], arguments].concat(), folder.path()).await;
        (ended.code, ended.stdout.join("\n"), ended.errors())
    };
    for (arguments, says) in [
        (&["import", "list.csv", "--name", " "][..], "the import has no name"),
        (&["import", "list.csv", "--name", "by hand"], "\"by hand\" is the list of the contacts"),
        (&["import", "by hand.csv"], "\"by hand\" is the list of the contacts"),
        (&["import", "list.csv", "--name", "Kept on cards"], "kept on cards"),
    ] {
        let (code, _, errors) = run(arguments).await;
        assert!(code == Some(2) && errors.contains(says), "{arguments:?}: {errors}");
        assert!(errors.contains("--name customers; nothing was changed"), "{errors}");
    }
    let (_, stats, _) = run(&["stats"]).await;
    assert!(stats.starts_with("Kept on cards: 1 contacts, ") && !stats.contains("by hand"), "{stats}");
    let (_, found, _) = run(&["find", "312 555 0147", "--json"]).await;
    assert!(found.contains("Ada Example") && found.contains("[\"Kept on cards\"]"), "{found}");
    let (code, _, errors) = run(&["remove", "others"]).await;
    assert!(code == Some(2) && errors.contains("imports: Kept on cards"), "{errors}");
    let (_, removed, _) = run(&["remove", "Kept on cards"]).await;
    assert_eq!(removed, "Kept on cards is taken away: 1 contacts");
}
