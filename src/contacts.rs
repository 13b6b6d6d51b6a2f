//! `callfeed contacts`: who may call. Imports files, finds the owner of a number, lists what is there.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use apps::people::{
    compare::Level,
    contact::{Candidate, rank},
    import::{self, ImportError, Options, columns},
    limits::LIST_PAGE,
    number::{Home, Number},
};
use apps::screen_pop::ContactFiles;
use apps::store::{OneApp, Store, contacts as store};

/// Contacts: import them from a CSV file or vCards, and look up numbers as the screen pop does.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// Folder of the store, the same as the screen pop's.
    #[arg(long, value_name = "DIR", default_value = "callfeed-state", global = true)]
    state: PathBuf,
    /// Country of numbers that are written without one.
    #[arg(long, value_name = "REGION", default_value = "US", global = true)]
    region: Home,
    /// JSON on stdout, one document a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Import a file; it takes the place of the last import of the same name.
    Import {
        /// .csv, .tsv, .txt (with headings) or .vcf
        file: PathBuf,
        /// What columns are: name=Full name,phone=Main line,phone=Mobile. Fields: name, first-name, last-name, company,
        /// phone, email, tier, notes, link, id. Those not named are guessed by their headings.
        #[arg(long, value_name = "FIELD=COLUMN,…", default_value = "")]
        map: String,
        /// Name of the import [default: the file's name].
        #[arg(long)]
        name: Option<String>,
        /// Replace the list of this name though it loses more than half of its contacts.
        #[arg(long)]
        replace_all: bool,
    },
    /// Take away the contacts of an import, by its name; `stats` lists the names.
    Remove { name: String },
    /// Find whose number this is.
    Find { number: String },
    /// List all contacts.
    List,
    /// How many contacts there are, and from where.
    Stats,
}

/// What the page calls the contacts that were kept on cards.
const KEPT: &str = "Kept on cards";

pub async fn run(args: Args) -> anyhow::Result<()> {
    match args.command {
        Command::Import { file, map, name, replace_all } => {
            let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let name = import_name(name.unwrap_or(stem).trim())?;
            let options = Options {
                file,
                name,
                told: columns::told(&map)?,
                chosen: None,
                home: args.region,
                replace_all,
                rejects: args.state.join("contacts-rejected.txt"),
            };
            import(&args.state, options, args.json).await
        }
        Command::Remove { name } => remove(&args.state, &name, args.region).await,
        Command::Find { number } => find(&args.state, &number, args.region, args.json).await,
        Command::List => list(&args.state, args.json).await,
        Command::Stats => stats(&args.state, args.json).await,
    }
}

/// The name of an import. Contacts that were kept on cards are none, and no import takes their place.
fn import_name(name: &str) -> Result<String, crate::output::Refused> {
    let wrong = match name {
        "" => "the import has no name".to_owned(),
        store::BY_HAND | KEPT => format!("{name:?} is the list of the contacts that were kept on cards"),
        name => return Ok(name.to_owned()),
    };
    let to_do = "give another name with --name, such as --name customers; nothing was changed";
    Err(crate::output::Refused(format!("{wrong}: {to_do}")))
}

/// What people call a list.
fn shown(name: &str) -> &str {
    if name == store::BY_HAND { KEPT } else { name }
}

async fn import(state: &std::path::Path, options: Options, json: bool) -> anyhow::Result<()> {
    let _one_import = OneApp::take(state, "contacts-import")?;
    let store = Store::open(state).await?;
    let taken = import::columns_taken(&options).map_err(refused)?;
    if !json && !taken.is_empty() {
        print(&format!("columns: {}", in_words(&taken)))?;
    }
    let shows = std::io::stderr().is_terminal();
    let imported = import::import(&store.pool, options, move |rows| {
        if shows {
            eprint!("\r{rows} rows read");
        }
    });
    let imported = imported.await;
    if shows {
        eprintln!();
    }
    let imported = imported.map_err(refused)?;
    if json {
        let mut document = serde_json::to_value(&imported)?;
        document["columns"] = serde_json::to_value(&taken)?;
        return print(&document.to_string());
    }
    print(&format!("{} contacts with {} numbers imported", imported.contacts, imported.numbers))?;
    if let Some(report) = imported.report {
        let (rows, numbers) = (imported.rejected, imported.unreadable_numbers);
        print(&format!("{rows} rows left out, {numbers} numbers not readable: see {}", report.display()))?;
    }
    Ok(())
}

/// A file that is not taken ends the command as a wrong command line does: nothing was changed.
fn refused(error: ImportError) -> anyhow::Error {
    match error {
        ImportError::Store(_) | ImportError::Interrupted | ImportError::Report { .. } => error.into(),
        error => crate::output::Refused(error.to_string()).into(),
    }
}

/// "Who → name, Main line → phone, City as it is"
fn in_words(taken: &[columns::Choice]) -> String {
    let one = |choice: &columns::Choice| match choice.field {
        Some(columns::Field::Nothing) => format!("{} left out", choice.heading),
        Some(field) => format!("{} → {}", choice.heading, field.key()),
        None => format!("{} as it is", choice.heading),
    };
    taken.iter().map(one).collect::<Vec<_>>().join(", ")
}

async fn remove(state: &std::path::Path, name: &str, home: Home) -> anyhow::Result<()> {
    let name = if name == KEPT { store::BY_HAND } else { name };
    let _one_import = OneApp::take(state, "contacts-import")?;
    let store = Store::open_existing(state).await?;
    let before = store::count(&store.pool, name).await?;
    let files = ContactFiles { state_dir: state.to_owned(), home, taken: Vec::new() };
    if files.remove(&store.pool, name).await? {
        return print(&format!("{} is taken away: {before} contacts", shown(name)));
    }
    let there = store::imports(&store.pool).await?;
    let there: Vec<&str> = there.iter().map(|(name, ..)| shown(name)).collect();
    let there = if there.is_empty() { "there is none".to_owned() } else { there.join(", ") };
    Err(crate::output::Refused(format!("there is no import {name:?}; imports: {there}")).into())
}

async fn find(state: &std::path::Path, text: &str, home: Home, json: bool) -> anyhow::Result<()> {
    let store = Store::open_existing(state).await?;
    let number = Number::read(text, home);
    let picked = store::picked(&store.pool, &number).await?;
    let found = rank(&number, store::candidates(&store.pool, &number).await?, picked.as_deref(), home);
    if found.is_empty() && !json {
        return print("nobody is known by this number");
    }
    for Candidate { mut contact, parts, matched, picked } in found {
        contact.source = shown(&contact.source).to_owned();
        let sources: Vec<&str> = parts.iter().map(|part| shown(&part.source)).collect();
        let level = matched.level.as_str();
        if json {
            let (reason, text) = (matched.reason.key(), matched.reason.text());
            let found = serde_json::json!({"level": level, "reason": reason, "text": text, "picked": picked, "sources": sources, "contact": contact});
            print(&found.to_string())?;
        } else {
            let sure = if matched.level == Level::Maybe { "maybe" } else { level };
            let numbers = contact.numbers.join(", ");
            print(&format!(
                "{sure}: {} · {} · {numbers} ({})",
                contact.title(),
                contact.company,
                matched.reason.text()
            ))?;
        }
    }
    Ok(())
}

async fn list(state: &std::path::Path, json: bool) -> anyhow::Result<()> {
    let store = Store::open_existing(state).await?;
    let mut after = i64::MIN;
    loop {
        let page = store::page(&store.pool, after, LIST_PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (_, mut contact) in page {
            contact.source = shown(&contact.source).to_owned();
            if json {
                print(&serde_json::to_string(&contact)?)?;
            } else {
                print(&format!(
                    "{} · {} · {}",
                    contact.title(),
                    contact.company,
                    contact.numbers.join(", ")
                ))?;
            }
        }
    }
}

async fn stats(state: &std::path::Path, json: bool) -> anyhow::Result<()> {
    let store = Store::open_existing(state).await?;
    for (name, contacts, imported_us) in store::imports(&store.pool).await? {
        let name = shown(&name);
        let imported = jiff::Timestamp::from_microsecond(imported_us)?;
        if json {
            print(
                &serde_json::json!({"name": name, "contacts": contacts, "imported": imported}).to_string(),
            )?;
        } else {
            print(&format!("{name}: {contacts} contacts, {imported:.0}"))?;
        }
    }
    Ok(())
}

/// A line on stdout; a reader that has gone ends the command.
fn print(line: &str) -> anyhow::Result<()> {
    crate::output::say(&line)
}
