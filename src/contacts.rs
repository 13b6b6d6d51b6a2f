//! `callfeed contacts`: who may call. Imports files, finds the owner of a number, lists what is there.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use apps::people::{
    compare::Level,
    contact::{Candidate, rank},
    import::{self, Options, columns},
    limits::LIST_PAGE,
    number::{Home, Number},
};
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
    },
    /// Find whose number this is.
    Find { number: String },
    /// List all contacts.
    List,
    /// How many contacts there are, and from where.
    Stats,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    match args.command {
        Command::Import { file, map, name } => {
            let _one_import = OneApp::take(&args.state, "contacts-import")?;
            let store = Store::open(&args.state).await?;
            let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let name = name.unwrap_or(stem);
            let told = columns::told(&map)?;
            let rejects = args.state.join("contacts-rejected.txt");
            let options = Options { file, name, told, chosen: None, home: args.region, rejects };
            let shows = std::io::stderr().is_terminal();
            let imported = import::import(&store.pool, options, move |rows| {
                if shows {
                    eprint!("\r{rows} rows read");
                }
            });
            let imported = imported.await?;
            if shows {
                eprintln!();
            }
            if args.json {
                return print(&serde_json::to_string(&imported)?);
            }
            print(&format!("{} contacts with {} numbers imported", imported.contacts, imported.numbers))?;
            if let Some(report) = imported.report {
                let (rows, numbers) = (imported.rejected, imported.unreadable_numbers);
                print(&format!(
                    "{rows} rows left out, {numbers} numbers not readable: see {}",
                    report.display()
                ))?;
            }
            Ok(())
        }
        Command::Find { number } => find(&args.state, &number, args.region, args.json).await,
        Command::List => list(&args.state, args.json).await,
        Command::Stats => stats(&args.state, args.json).await,
    }
}

async fn find(state: &std::path::Path, text: &str, home: Home, json: bool) -> anyhow::Result<()> {
    let store = Store::open_existing(state).await?;
    let number = Number::read(text, home);
    let picked = store::picked(&store.pool, &number).await?;
    let found = rank(&number, store::candidates(&store.pool, &number).await?, picked.as_deref(), home);
    if found.is_empty() && !json {
        return print("nobody is known by this number");
    }
    for Candidate { contact, parts, matched, picked } in found {
        let sources: Vec<&str> = parts.iter().map(|part| part.source.as_str()).collect();
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
        for (_, contact) in page {
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
