//! The table of cases (`numbers.tsv`), and a random test: what is not surely one number never claims to be exact.

use crate::people::{
    compare::{Level, compare},
    number::{Home, Number},
};

const TABLE: &str = include_str!("numbers.tsv");

/// `\u{…}` stands for a character that an editor would not show.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u{");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('}').unwrap();
        out.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
        out.push_str(rest);
    }
    out
}

#[test]
fn every_case_of_the_table() {
    let (mut cases, mut wrong) = (0, Vec::new());
    for line in TABLE.lines().skip(1) {
        let columns: Vec<String> = line.split('\t').map(unescaped).collect();
        let [their, region, contact, level, reason, _note] = columns.as_slice() else { panic!("{line}") };
        let home: Home = region.parse().unwrap();
        let (their, contact) = (Number::read(their, home), Number::read(contact, home));
        let found = compare(&their, &contact);
        assert_eq!(found, compare(&contact, &their), "the order matters: {line}");
        let got = found.map_or(("none", "-"), |found| (found.level.as_str(), found.reason.key()));
        if got != (level.as_str(), reason.as_str()) {
            wrong.push(format!("{line}\n    got {got:?} from {their:?} and {contact:?}"));
        }
        cases += 1;
    }
    assert!(wrong.is_empty(), "{} of {cases} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= 300, "{cases} cases only");
}

/// What a number is, known before it is written down.
struct Truth {
    country: &'static str,
    region: &'static str,
    /// In front of national numbers.
    trunk: &'static str,
    /// In front of country codes.
    abroad: &'static str,
    national: &'static str,
    /// Digits drawn behind `national`.
    drawn: usize,
}

/// Numbers kept for fiction where there are such.
const TRUTHS: [Truth; 12] = [
    Truth { country: "1", region: "US", trunk: "1", abroad: "011", national: "31255501", drawn: 2 },
    Truth { country: "1", region: "CA", trunk: "1", abroad: "011", national: "41655501", drawn: 2 },
    Truth { country: "44", region: "GB", trunk: "0", abroad: "00", national: "1632960", drawn: 3 },
    Truth { country: "44", region: "GB", trunk: "0", abroad: "00", national: "7700900", drawn: 3 },
    Truth { country: "61", region: "AU", trunk: "0", abroad: "0011", national: "25550", drawn: 4 },
    Truth { country: "49", region: "DE", trunk: "0", abroad: "00", national: "3023125", drawn: 3 },
    Truth { country: "33", region: "FR", trunk: "0", abroad: "00", national: "19900", drawn: 4 },
    Truth { country: "39", region: "IT", trunk: "", abroad: "00", national: "06555", drawn: 5 },
    Truth { country: "54", region: "AR", trunk: "0", abroad: "00", national: "115550", drawn: 4 },
    Truth { country: "55", region: "BR", trunk: "0", abroad: "00", national: "1195550", drawn: 4 },
    Truth { country: "52", region: "MX", trunk: "", abroad: "00", national: "555550", drawn: 4 },
    Truth { country: "354", region: "IS", trunk: "", abroad: "00", national: "5550", drawn: 3 },
];

struct Written {
    text: String,
    /// Country code and national number, if the text tells the country without a doubt.
    told: Option<String>,
}

/// A country and a national number in it.
fn draw(random: &mut fastrand::Rng) -> (&'static Truth, String) {
    let truth = &TRUTHS[random.usize(..TRUTHS.len())];
    let drawn: String = (0..truth.drawn).map(|_| random.char('0'..='3')).collect();
    (truth, format!("{}{drawn}", truth.national))
}

fn write(random: &mut fastrand::Rng, (truth, national): &(&Truth, String), home: &str) -> Written {
    let told = Some(format!("{}{national}", truth.country));
    let abroad = TRUTHS.iter().find(|truth| truth.region == home).unwrap().abroad;
    let (text, told) = match random.u8(..8) {
        0..=2 => (format!("+{}{national}", truth.country), told),
        3 => (format!("{abroad}{}{national}", truth.country), None),
        4 => (format!("{}{national}", truth.country), None),
        5 => (format!("{}{national}", truth.trunk), None),
        6 => (national.clone(), None),
        _ => (national[national.len() - random.usize(3..=national.len())..].to_owned(), None),
    };
    Written { text: scattered(random, &text), told }
}

/// Blanks and marks between the digits, other scripts, an extension: nothing of it changes the number.
fn scattered(random: &mut fastrand::Rng, text: &str) -> String {
    let marks = [" ", "-", ".", "\u{a0}", "\u{2011}", "\u{200b}"];
    let wide = random.u8(..5) == 0;
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        // A dash before the last digits tells a direct dial, so none is put there.
        if index > 1 && index + 4 < text.len() && random.u8(..4) == 0 {
            out.push_str(marks[random.usize(..marks.len())]);
        }
        match c.to_digit(10) {
            Some(digit) if wide => out.push(char::from_u32(0xff10 + digit).unwrap()),
            _ => out.push(c),
        }
    }
    if random.u8(..6) == 0 {
        out.push_str([" x12", ";ext=12", " ext. 34"][random.usize(..3)]);
    }
    out
}

#[test]
fn a_doubtful_match_never_claims_to_be_exact() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut exact, mut others) = (0, 0);
    for _ in 0..20_000 {
        let region = TRUTHS[random.usize(..TRUTHS.len())].region;
        let home: Home = region.parse().unwrap();
        let number = draw(&mut random);
        let another = if random.bool() { draw(&mut random) } else { number.clone() };
        let (one, other) = (write(&mut random, &number, region), write(&mut random, &another, region));
        let found = compare(&Number::read(&one.text, home), &Number::read(&other.text, home));
        let told = one.told.is_some() && one.told == other.told;
        let context =
            || format!("seed {seed}, region {region}: {:?} and {:?} are {found:?}", one.text, other.text);
        match found.map(|found| found.level) {
            Some(Level::Exact) => {
                assert!(told, "{}", context());
                exact += 1;
            }
            Some(Level::National) => {
                // The same national number, as far as anyone can tell from the digits.
                let digits = |text: &str| Number::read(text, home).key().unwrap_or_default().to_owned();
                let ends = [digits(&one.text), digits(&other.text)];
                assert!(ends[0] == ends[1], "{}", context());
                others += 1;
            }
            Some(Level::Maybe) | None => others += 1,
        }
    }
    assert!(exact > 500 && others > 500, "seed {seed}: {exact} exact, {others} others");
}

/// Texts of any kind: nothing panics, nothing matches a withheld number, exact means the same digits behind a `+`.
#[test]
fn noise_never_claims_to_be_exact() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let alphabet: Vec<char> =
        "+0123456789012345-. ()/x#,;:*aA@<>\u{a0}\u{ff11}\u{663}\u{2013}е".chars().collect();
    let home = Home::default();
    for _ in 0..20_000 {
        let one: String = (0..random.usize(..18)).map(|_| alphabet[random.usize(..alphabet.len())]).collect();
        let mut other = one.clone();
        // Now and then the same again, or with one character more or less.
        match random.u8(..4) {
            0 => other.push(alphabet[random.usize(..alphabet.len())]),
            1 => drop(other.pop()),
            2 => other = format!("+{other}"),
            _ => {}
        }
        let found = compare(&Number::read(&one, home), &Number::read(&other, home));
        if let Some(found) = found
            && found.level == Level::Exact
        {
            let bare = |text: &str| {
                let text = text.replace('\u{ff11}', "1").replace('\u{663}', "3");
                let digits: String = text.chars().filter(char::is_ascii_digit).collect();
                assert!(text.contains('+'), "seed {seed}: {text:?}");
                digits
            };
            let (a, b) = (bare(&one), bare(&other));
            assert!(
                a.starts_with(&b) || b.starts_with(&a),
                "seed {seed}: {one:?} and {other:?} are {found:?}"
            );
        }
        assert_eq!(compare(&Number::Withheld, &Number::read(&one, home)), None, "seed {seed}: {one:?}");
    }
}
