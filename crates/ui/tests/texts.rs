//! The texts of the desk: complete in each language, used, and in no other place.

#![expect(clippy::unwrap_used, reason = "test helpers")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use ui::{Lang, Texts};

/// The desk's templates; the other pages speak English only.
const TEMPLATES: [&str; 8] = [
    "card.html",
    "contacts.html",
    "kept_contacts.html",
    "language.html",
    "screen_pop.html",
    "screen_pop_sign_in.html",
    "wall.html",
    "wallboard.html",
];
const SCRIPTS: [&str; 10] = [
    "contacts.js",
    "live_page.js",
    "screen_pop.js",
    "screen_pop_acts.js",
    "screen_pop_alerts.js",
    "screen_pop_cards.js",
    "screen_pop_keys.js",
    "screen_pop_notes.js",
    "screen_pop_settings.js",
    "wallboard.js",
];
/// What is no language: the product, and names of keys and of HTTP methods.
const NO_TEXT: [&str; 10] = [
    "Callfeed",
    "ArrowDown",
    "ArrowUp",
    "AudioContext",
    "Escape",
    "POST",
    "PUT",
    "HEAD",
    "Notification",
    "screen",
];

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Each text by its path, such as `card.pin`.
fn leaves(lang: Lang) -> BTreeMap<String, String> {
    fn walk(path: &str, value: &toml::Value, found: &mut BTreeMap<String, String>) {
        let inside = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        match value {
            toml::Value::Table(table) => {
                table.iter().for_each(|(key, value)| walk(&inside(key), value, found))
            }
            toml::Value::Array(list) => {
                list.iter().enumerate().for_each(|(at, value)| walk(&inside(&at.to_string()), value, found));
            }
            toml::Value::String(text) => drop(found.insert(path.to_owned(), text.clone())),
            other => panic!("{path} is no text: {other:?}"),
        }
    }
    let mut found = BTreeMap::new();
    walk("", &file(&format!("texts/{}.toml", lang.key())).parse::<toml::Table>().unwrap().into(), &mut found);
    found
}

fn names(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name)).collect()
}

#[test]
fn each_language_has_every_text_and_no_other() {
    for lang in Lang::ALL {
        let texts = file(&format!("texts/{}.toml", lang.key()));
        assert!(Texts::read(lang, &texts).is_ok(), "{:?}", Texts::read(lang, &texts));
        let line = texts.lines().find(|line| line.starts_with("saved = ")).unwrap();
        let missing = Texts::read(lang, &texts.replace(line, "")).unwrap_err();
        assert!(missing.contains("saved"), "{missing}");
        let left_over = Texts::read(lang, &format!("{texts}\nold = \"x\"\n")).unwrap_err();
        assert!(left_over.contains("old"), "{left_over}");
    }
}

#[test]
fn each_language_fills_in_the_same_names() {
    let english = leaves(Lang::English);
    for lang in Lang::ALL {
        for (path, text) in leaves(lang) {
            assert!(!text.is_empty() && text.trim() == text, "{path} of {lang:?} is {text:?}");
            let expected = names(&english[&path]);
            assert_eq!(names(&text), expected, "{path} of {lang:?}");
        }
    }
    // Plural forms that a language has are all there; those that it has not are left out.
    let forms = |lang| leaves(lang).into_keys().filter(|path| path.starts_with("card.calls_today.")).count();
    assert_eq!((forms(Lang::English), forms(Lang::Portuguese)), (4, 1));
}

#[test]
fn the_guide_tells_of_keys_in_the_words_of_the_page() {
    let guide = file("../../docs/screen-pop.md");
    let (_, keys) = guide.split_once("## Keys\n").unwrap();
    let keys = keys.split("\n## ").next().unwrap();
    for (path, text) in leaves(Lang::English) {
        let is_of_a_key =
            path.starts_with("keys.") && !["keys.title", "keys.done", "keys.off"].contains(&path.as_str());
        assert!(!is_of_a_key || keys.contains(&format!(": {text}\n")), "{path}: {text}");
        assert!(path != "keys.off" || keys.contains(&text), "{text}");
    }
}

#[test]
fn the_languages_are_not_one() {
    let (english, portuguese) = (leaves(Lang::English), leaves(Lang::Portuguese));
    let same: Vec<_> = portuguese.iter().filter(|(path, text)| english.get(*path) == Some(*text)).collect();
    let expected = ["say.other", "time.day_time", "failure.part"];
    let same: Vec<_> =
        same.into_iter().map(|(path, _)| path.as_str()).filter(|path| !expected.contains(path)).collect();
    assert!(same.is_empty(), "not translated: {same:?}");
}

#[test]
fn each_text_is_used() {
    let mut sources: String = TEMPLATES.iter().map(|name| file(&format!("templates/{name}"))).collect();
    sources.extend(SCRIPTS.iter().map(|name| file(&format!("assets/{name}"))));
    for name in ["texts.rs", "texts_contacts.rs"] {
        sources.push_str(&file(&format!("src/{name}")));
    }
    let apps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../apps/src/screen_pop");
    for entry in fs::read_dir(apps).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            sources.push_str(&fs::read_to_string(path).unwrap());
        }
    }
    let is_used = |key: &str| {
        let wanted = format!(".{key}");
        let ends = |rest: &str| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_');
        sources.match_indices(&wanted).any(|(at, _)| ends(&sources[at + wanted.len()..]))
    };
    for path in leaves(Lang::English).into_keys() {
        let key = path.split('.').nth(1).unwrap();
        assert!(is_used(key), "{path} is used nowhere");
    }
    assert!(!is_used("nothing_has_this_key"));
}

/// What of a template a person could read: text between tags, and attributes that are read out.
fn words_of_template(template: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut rest = template;
    while let Some(at) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        plain.push_str(&rest[..at]);
        let end = if rest[at..].starts_with("{{") { "}}" } else { "%}" };
        rest = rest[at..].split_once(end).unwrap().1;
    }
    plain.push_str(rest);
    let mut words = Vec::new();
    for (at, part) in plain.split('<').enumerate() {
        let (tag, text) = if at == 0 { ("", part) } else { part.split_once('>').unwrap_or((part, "")) };
        if !tag.starts_with("kbd") {
            words.push(text.trim().to_owned());
        }
        for attribute in ["aria-label=\"", "placeholder=\"", "title=\"", "alt=\""] {
            words.extend(
                tag.split(attribute).skip(1).map(|value| value.split('"').next().unwrap().to_owned()),
            );
        }
    }
    words.retain(|word| word.contains(char::is_alphabetic) && !NO_TEXT.contains(&word.as_str()));
    words
}

#[test]
fn templates_hold_no_texts_of_their_own() {
    let planted = "<p class=\"a\">{{ x }} Words<img alt=\"A picture\"><kbd>J</kbd>{% if let Some(a) = b %}";
    assert_eq!(words_of_template(planted), ["Words", "A picture"]);
    for name in TEMPLATES {
        let words = words_of_template(&file(&format!("templates/{name}")));
        assert!(words.is_empty(), "{name} has texts of its own: {words:?}");
    }
}

/// What of a script could be a text: a literal that begins like a sentence, or has two words without marks of a selector.
fn words_of_script(script: &str) -> Vec<String> {
    let code =
        script.lines().filter(|line| !line.trim_start().starts_with("//") && !line.starts_with("import "));
    let mut words = Vec::new();
    for line in code {
        for quote in ['"', '`'] {
            words.extend(line.split(quote).skip(1).step_by(2).map(str::to_owned));
        }
    }
    let has_two = |word: &str| {
        let mut parts = word.split(' ').map(|part| part.trim_end_matches([',', '.', ':', '…']));
        let plain = |part: &str| part.len() > 1 && part.chars().all(char::is_alphabetic);
        word.contains(' ') && !word.contains(['[', '#', '>', '$']) && parts.any(plain) && !word.contains(", ")
    };
    let is_sentence = |word: &str| word.starts_with(char::is_uppercase) && word.len() > 1;
    words.retain(|word| !NO_TEXT.contains(&word.as_str()) && (is_sentence(word) || has_two(word)));
    words
}

#[test]
fn scripts_hold_no_texts_of_their_own() {
    let planted = "say(\"Saved\", `not yet`, \"input, textarea\", \".card\", \"data-pin\"); // \"Words\"\n// \"More words\"";
    assert_eq!(words_of_script(planted)[..1], ["Saved".to_owned()]);
    assert!(words_of_script(planted).contains(&"not yet".to_owned()));
    for name in SCRIPTS {
        let words = words_of_script(&file(&format!("assets/{name}")));
        assert!(words.is_empty(), "{name} has texts of its own: {words:?}");
    }
}

#[test]
fn numbers_and_counts_are_written_as_the_language_has_it() {
    let [english, portuguese] = Lang::ALL.map(Texts::of);
    assert_eq!([1, 999, 1000, 1_234_567].map(|n| english.number(n)), ["1", "999", "1,000", "1,234,567"]);
    assert_eq!(portuguese.number(1_234_567), "1.234.567");
    let calls = |texts: &Texts, n| texts.nth(&texts.card.calls_today, n);
    assert_eq!(
        [1, 2, 3, 4, 11, 22].map(|n| calls(&english, n)).join(" "),
        "1st call today 2nd call today 3rd call today 4th call today 11th call today 22nd call today"
    );
    assert_eq!(calls(&portuguese, 3), "3ª chamada hoje");
    let rows = |texts: &Texts, n| texts.counted(&texts.contacts.becomes, n, &[("taken", &"0")]);
    let written = [1, 1234].map(|n| rows(&english, n));
    assert_eq!(written, ["0 of 1 row becomes a contact.", "0 of 1,234 rows become contacts."]);
    let written = [1, 1234].map(|n| rows(&portuguese, n));
    assert_eq!(written, ["0 de 1 linha vira contato.", "0 de 1.234 linhas viram contatos."]);
    let missed = |texts: &Texts, n| texts.count(&texts.script.missed_calls, n);
    assert_eq!([1, 2].map(|n| missed(&english, n)), ["1 missed call", "2 missed calls"]);
    assert_eq!(
        [0, 1, 2].map(|n| missed(&portuguese, n)),
        ["0 chamada perdida", "1 chamada perdida", "2 chamadas perdidas"]
    );
}
