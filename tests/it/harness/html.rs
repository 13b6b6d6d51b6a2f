//! Just enough HTML to use forms like a browser without JavaScript.

/// A form with its controls, in document order.
#[derive(Clone, Debug)]
pub struct Form {
    pub action: String,
    pub method: String,
    pub controls: Vec<Control>,
}

/// An `input` or a `button`.
#[derive(Clone, Debug)]
pub struct Control {
    pub tag: String,
    pub kind: String,
    pub name: String,
    pub value: String,
    /// The words on a button.
    pub label: String,
}

impl Control {
    fn submits(&self) -> bool {
        self.kind == "submit" || (self.tag == "button" && self.kind.is_empty())
    }
}

impl Form {
    /// What the browser sends when the person types into controls (by their type) and presses a button.
    pub fn filled(&self, typed: &[(&str, &str)], button: Option<&str>) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        let mut pressed = false;
        for control in &self.controls {
            if control.submits() {
                let wanted = button.is_none_or(|label| control.label.trim() == label);
                if wanted && !pressed {
                    pressed = true;
                    pairs.push((control.name.clone(), control.value.clone()));
                }
                continue;
            }
            let typed = typed.iter().find(|(kind, _)| *kind == control.kind).map(|(_, text)| *text);
            pairs.push((control.name.clone(), typed.unwrap_or(&control.value).to_owned()));
        }
        assert!(pressed, "the form has no button {button:?}: {self:#?}");
        pairs.retain(|(name, _)| !name.is_empty());
        pairs
    }
}

/// Every form of a page.
pub fn forms(html: &str) -> Vec<Form> {
    let mut forms: Vec<Form> = Vec::new();
    let mut open = false;
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let end = tag_end(rest);
        let tag = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        let name = tag.split([' ', '\n', '\t', '/']).next().unwrap_or_default().to_lowercase();
        match name.as_str() {
            "form" => {
                open = true;
                let method = attribute(tag, "method").unwrap_or_default().to_lowercase();
                let action = attribute(tag, "action").unwrap_or_default();
                forms.push(Form { action, method, controls: Vec::new() });
            }
            "input" | "button" if open => {
                let label = rest.split("</button").next().unwrap_or_default();
                let control = Control {
                    kind: attribute(tag, "type").unwrap_or_default(),
                    name: attribute(tag, "name").unwrap_or_default(),
                    value: attribute(tag, "value").unwrap_or_default(),
                    label: if name == "button" { text(label) } else { String::new() },
                    tag: name,
                };
                forms.last_mut().expect("a form is open").controls.push(control);
            }
            _ if tag.starts_with("/form") => open = false,
            _ => {}
        }
    }
    forms
}

/// Where a tag ends; a `>` inside quotes does not count.
fn tag_end(tag: &str) -> usize {
    let mut quote = None;
    for (index, character) in tag.char_indices() {
        match (quote, character) {
            (None, '>') => return index,
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
    }
    tag.len()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let at = rest.find(name)?;
        let standing_alone = rest[..at].ends_with(char::is_whitespace);
        rest = &rest[at + name.len()..];
        let Some(value) = rest.trim_start().strip_prefix('=') else { continue };
        if !standing_alone {
            continue;
        }
        let value = value.trim_start();
        let raw = match value.chars().next()? {
            quote @ ('"' | '\'') => value[1..].split(quote).next()?,
            _ => value.split(char::is_whitespace).next()?,
        };
        return Some(unescape(raw));
    }
}

/// The text between tags, entities resolved.
pub fn text(html: &str) -> String {
    let mut text = String::new();
    for (index, part) in html.split('<').enumerate() {
        let visible = if index == 0 { part } else { part.split_once('>').map_or("", |(_, after)| after) };
        text.push_str(visible);
    }
    unescape(&text)
}

fn unescape(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        result.push_str(&rest[..at]);
        rest = &rest[at..];
        let decoded = rest.find(';').and_then(|end| Some((entity(&rest[1..end])?, end)));
        let (character, used) = decoded.map_or(('&', 1), |(character, end)| (character, end + 1));
        result.push(character);
        rest = &rest[used..];
    }
    result + rest
}

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?);
    }
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        _ => None,
    }
}

#[test]
fn forms_are_read_like_a_browser_reads_them() {
    let html = r#"<p>2 < 3</p><form action="/login?a=1&amp;b=2" method=post>
        <input type="hidden" name="service" value="x&#34;&gt;y"><input name=email type=email>
        <button name="decision" value="allow"><b>Allow</b></button><button name=decision value=deny>Deny</button>
        </form><input name="outside">"#;
    let forms = forms(html);
    assert_eq!(forms.len(), 1);
    assert_eq!((forms[0].action.as_str(), forms[0].method.as_str()), ("/login?a=1&b=2", "post"));
    let pairs = forms[0].filled(&[("email", "ada@example.com")], Some("Deny"));
    let expected = [("service", "x\">y"), ("email", "ada@example.com"), ("decision", "deny")];
    assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}
