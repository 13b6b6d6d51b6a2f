//! The texts of the repository's `docs` folder as pages, so that each stands in one place. This reads as much of
//! Markdown as those texts use: headings, paragraphs, lists, tables, code, links, and words in backticks or bold.

use std::iter::Peekable;
use std::str::Lines;

use ui::{Block, Guide, GuideLink, Span};

/// Name in the address, and the text.
const GUIDES: [(&str, &str); 8] = [
    ("webhooks", include_str!("../../../../docs/webhooks.md")),
    ("scenarios", include_str!("../../../../docs/scenarios.md")),
    ("time", include_str!("../../../../docs/time.md")),
    ("faults", include_str!("../../../../docs/faults.md")),
    ("operations", include_str!("../../../../docs/operations.md")),
    ("collector", include_str!("../../../../docs/collector.md")),
    ("screen-pop", include_str!("../../../../docs/screen-pop.md")),
    ("contacts", include_str!("../../../../docs/contacts.md")),
];

/// The page of a text, if there is one of this name.
pub fn of(name: &str) -> Option<Guide> {
    let (name, text) = GUIDES.into_iter().find(|(known, _)| *known == name)?;
    Some(Guide { name, title: title(text), blocks: blocks(text), guides: all() })
}

/// Names and titles of all texts.
pub fn all() -> Vec<GuideLink> {
    GUIDES.map(|(name, text)| GuideLink { name, title: title(text) }).into()
}

fn title(text: &'static str) -> &'static str {
    text.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap_or_default()
}

fn blocks(text: &str) -> Vec<Block> {
    // The title is the page's own.
    let mut lines = text.lines().peekable();
    lines.next();
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        blocks.push(if let Some(text) = line.strip_prefix("### ") {
            Block::Smaller(spans(text))
        } else if let Some(text) = line.strip_prefix("## ") {
            Block::Heading { id: id(text), text: spans(text) }
        } else if line.starts_with("```") {
            let code: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            Block::Code(code.join("\n"))
        } else if line.starts_with('|') {
            table(line, &mut lines)
        } else if line.starts_with("- ") {
            list(line, &mut lines)
        } else {
            Block::Text(spans(&joined(line, &mut lines)))
        });
    }
    blocks
}

/// As GitHub makes them, for links that lead to a heading.
fn id(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-');
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// A paragraph or an item of a list, with the lines that go on with it.
fn joined(first: &str, lines: &mut Peekable<Lines<'_>>) -> String {
    let mut text = first.trim().to_owned();
    let goes_on = |line: &&str| {
        !line.trim().is_empty() && !["- ", "|", "```", "#"].iter().any(|start| line.starts_with(start))
    };
    while let Some(line) = lines.next_if(goes_on) {
        text.push(' ');
        text.push_str(line.trim());
    }
    text
}

fn list(first: &str, lines: &mut Peekable<Lines<'_>>) -> Block {
    let mut items = Vec::new();
    let mut next = Some(first);
    while let Some(item) = next.and_then(|line| line.strip_prefix("- ")) {
        items.push(spans(&joined(item, lines)));
        next = lines.next_if(|line| line.starts_with("- "));
    }
    Block::List(items)
}

fn table(head: &str, lines: &mut Peekable<Lines<'_>>) -> Block {
    // The line between is there to draw with.
    lines.next();
    let mut rows = Vec::new();
    while let Some(line) = lines.next_if(|line| line.starts_with('|')) {
        rows.push(cells(line));
    }
    Block::Table { head: cells(head), rows }
}

fn cells(line: &str) -> Vec<Vec<Span>> {
    line.trim().trim_matches('|').split(" | ").map(|cell| spans(cell.trim())).collect()
}

fn spans(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let special = rest.find(['`', '*', '[']).unwrap_or(rest.len());
        let (plain, marked) = rest.split_at(special);
        if !plain.is_empty() {
            spans.push(Span::Plain(plain.to_owned()));
        }
        let found = marked_span(marked);
        rest = match found {
            Some((span, rest)) => {
                spans.push(span);
                rest
            }
            None => {
                // A mark that marks nothing is a character like others.
                let end = marked.chars().next().map_or(0, char::len_utf8);
                spans.extend((end > 0).then(|| Span::Plain(marked[..end].to_owned())));
                &marked[end..]
            }
        };
    }
    spans
}

/// What begins with a mark, and what follows it.
fn marked_span(text: &str) -> Option<(Span, &str)> {
    for (mark, make) in [("`", Span::Code as fn(String) -> Span), ("**", Span::Bold)] {
        if let Some((marked, rest)) = text.strip_prefix(mark).and_then(|text| text.split_once(mark)) {
            return Some((make(marked.to_owned()), rest));
        }
    }
    let (label, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (target, rest) = rest.split_once(')')?;
    if label.contains('[') || target.contains(' ') {
        return None;
    }
    // Texts name each other as files, which are pages here.
    let href = match target.split_once(".md") {
        Some((name, place)) if !target.contains("//") => format!("/docs/{name}{place}"),
        _ => target.to_owned(),
    };
    Some((Span::Link { text: label.to_owned(), href }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(spans: &[Span]) -> String {
        let one = |span: &Span| match span {
            Span::Plain(text) | Span::Code(text) | Span::Bold(text) | Span::Link { text, .. } => text.clone(),
        };
        spans.iter().map(one).collect()
    }

    #[test]
    fn each_kind_of_block_is_read() {
        let read = blocks(
            "# Title\n\nOne\ntwo `a | b`.\n\n- first\n  goes on\n- **second**\n\n| a | b |\n| --- | --- |\n\
             | [x](y.md#z) | 2 * 3 [[ |\n\n```sh\n# no heading\n\n- no list\n```\n## Not served, yet\n### c",
        );
        let [
            Block::Text(first),
            Block::List(items),
            Block::Table { head, rows },
            Block::Code(code),
            rest @ ..,
        ] = &read[..]
        else {
            panic!("{read:#?}")
        };
        assert_eq!(text(first), "One two a | b.");
        assert_eq!(first[1], Span::Code("a | b".into()));
        assert_eq!(items.iter().map(|item| text(item)).collect::<Vec<_>>(), ["first goes on", "second"]);
        assert_eq!((head.len(), rows.len()), (2, 1));
        assert_eq!(rows[0][0], [Span::Link { text: "x".into(), href: "/docs/y#z".into() }]);
        assert_eq!(text(&rows[0][1]), "2 * 3 [[");
        assert_eq!(code, "# no heading\n\n- no list");
        let [Block::Heading { id, .. }, Block::Smaller(_)] = rest else { panic!("{rest:#?}") };
        assert_eq!(id, "not-served-yet");
    }

    #[test]
    fn no_text_uses_what_is_not_read_and_rows_have_the_columns_of_their_head() {
        for (name, source) in GUIDES {
            assert!(!title(source).is_empty(), "{name}");
            for block in blocks(source) {
                let lines: Vec<Vec<Span>> = match block {
                    Block::Code(_) => continue,
                    Block::Heading { text, .. } | Block::Smaller(text) | Block::Text(text) => vec![text],
                    Block::List(items) => items,
                    Block::Table { head, rows } => {
                        for row in &rows {
                            assert_eq!(row.len(), head.len(), "{name}: {row:?}");
                        }
                        rows.concat()
                    }
                };
                for line in lines {
                    for span in line {
                        let Span::Plain(plain) = &span else { continue };
                        let left = ["`", "**", "](", "| ", "```"].iter().find(|mark| plain.contains(*mark));
                        assert_eq!(left, None, "{name}: {plain}");
                    }
                }
            }
        }
    }
}
