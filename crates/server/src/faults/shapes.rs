//! Walks through JSON that the modes share.

use serde_json::{Map, Value};

/// Calls `change` for each object, inner ones first, so that what it adds is not met again; true when it changed any.
pub fn each_object(value: &mut Value, change: &mut dyn FnMut(&mut Map<String, Value>) -> bool) -> bool {
    match value {
        Value::Object(members) => {
            let mut changed = false;
            for member in members.values_mut() {
                changed |= each_object(member, change);
            }
            changed | change(members)
        }
        Value::Array(items) => {
            items.iter_mut().fold(false, |changed, item| each_object(item, change) | changed)
        }
        _ => false,
    }
}

/// Calls `change` for each text beside its member's name; true when it changed any.
pub fn each_text(value: &mut Value, change: &mut dyn FnMut(&str, &mut String) -> bool) -> bool {
    each_object(value, &mut |members| {
        let mut changed = false;
        for (name, member) in members.iter_mut() {
            if let Value::String(text) = member {
                changed |= change(name, text);
            }
        }
        changed
    })
}

/// Calls `change` for each text, members of lists too; true when it changed any.
pub fn each_string(value: &mut Value, change: &mut dyn FnMut(&mut String) -> bool) -> bool {
    match value {
        Value::String(text) => change(text),
        Value::Object(members) => {
            members.values_mut().fold(false, |changed, one| each_string(one, change) | changed)
        }
        Value::Array(items) => {
            items.iter_mut().fold(false, |changed, one| each_string(one, change) | changed)
        }
        _ => false,
    }
}

/// Renames a member where it is there.
pub fn rename(members: &mut Map<String, Value>, from: &str, to: &str) -> bool {
    match members.remove(from) {
        Some(value) => {
            members.insert(to.to_owned(), value);
            true
        }
        None => false,
    }
}

/// The items of a page, if the value is one.
pub fn items(page: &mut Value) -> Option<&mut Vec<Value>> {
    page.get_mut("items")?.as_array_mut()
}
