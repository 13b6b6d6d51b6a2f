//! A million contacts: a CSV file imported, imported again in its place, and numbers looked up as cards do.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use apps::people::{
    contact::rank,
    import::{self, Options},
    number::{Home, Number},
};
use apps::store::{Store, contacts as store};

use crate::bench::Bench;
use crate::bench::figures::Figure;

const ROWS: usize = 1_000_000;
const LOOK_UPS: usize = 10_000;

pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let rows = bench.size(20_000, ROWS);
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let file = folder.path().join("customers.csv");
    write(&file, rows)?;
    let store = Store::open(&folder.path().join("state")).await?;
    let mut seconds = Vec::new();
    for round in ["import", "import in its place"] {
        bench.progress(&format!("{round} of {rows} contacts"));
        let rejects = folder.path().join("rejected.txt");
        let (name, home) = ("customers".to_owned(), Home::default());
        let told = Vec::new();
        let options =
            Options { file: file.clone(), name, told, chosen: None, home, replace_all: false, rejects };
        let began = Instant::now();
        let imported = import::import(&store.pool, options, |_| {}).await?;
        seconds.push(began.elapsed().as_secs_f64());
        ensure!(imported.contacts == rows as u64, "only {} contacts were imported", imported.contacts);
    }
    bench.progress("looking numbers up");
    let mut times = look_up(&store, rows).await?;
    times.sort_unstable_by(f64::total_cmp);
    let at = |share: usize| times.get((times.len() - 1) * share / 100).copied();
    let say = |what: &str| format!("{rows} contacts: {what}");
    Ok(vec![
        Figure::new("contacts_import_s", say("import of the CSV file"), seconds[0], "s").at_most(30.0),
        Figure::new("contacts_again_s", say("import in its place"), seconds[1], "s").at_most(30.0),
        Figure::new("contacts_p50_us", say("look-up, p50"), at(50), "µs"),
        Figure::new("contacts_p99_us", say("look-up, p99"), at(99), "µs").at_most(1000.0),
    ])
}

/// Numbers of all area codes, in no order.
fn number(row: usize) -> u64 {
    2_000_000_000 + row as u64 * 7_919 % 7_000_000_000
}

fn write(file: &Path, rows: usize) -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
    writeln!(out, "Id,First name,Last name,Company,Phone,Email,Tier,City")?;
    for n in 0..rows {
        let (number, company) = (number(n), n % 5_000);
        writeln!(
            out,
            "{n},Person,Number {n},Company {company},+1{number},person{n}@example.com,Gold,Chicago"
        )?;
    }
    out.into_inner().context("the file could not be written")?;
    Ok(())
}

/// Microseconds of each.
async fn look_up(store: &Store, rows: usize) -> anyhow::Result<Vec<f64>> {
    let home = Home::default();
    let mut times = Vec::with_capacity(LOOK_UPS);
    for n in 0..LOOK_UPS {
        let text = format!("+1{}", number(n * 104_729 % rows));
        let began = Instant::now();
        let number = Number::read(&text, home);
        let picked = store::picked(&store.pool, &number).await?;
        let found = rank(&number, store::candidates(&store.pool, &number).await?, picked.as_deref(), home);
        times.push(began.elapsed().as_secs_f64() * 1e6);
        ensure!(!found.is_empty(), "a number that was imported is not found");
    }
    Ok(times)
}
