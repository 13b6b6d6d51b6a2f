//! The OpenAPI document as a page for people.

use serde_json::Value;
use ui::{AnswerLine, Group, OperationPage, ParameterLine, Reference};

pub fn of(document: &Value) -> Reference {
    let mut groups: Vec<Group> = Vec::new();
    for tag in document["tags"].as_array().into_iter().flatten() {
        let title = text(&tag["name"]);
        groups.push(Group { id: title.to_lowercase().replace(' ', "-"), title, operations: Vec::new() });
    }
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let tag = text(&operation["tags"][0]);
            let group = groups.iter_mut().find(|group| group.title == tag);
            let page = page(document, path, &method.to_uppercase(), operation);
            if let Some(group) = group {
                group.operations.push(page);
            }
        }
    }
    Reference { groups }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn page(document: &Value, path: &str, method: &str, operation: &Value) -> OperationPage {
    let parameters = operation["parameters"].as_array().into_iter().flatten().map(parameter);
    let answers = operation["responses"].as_object().into_iter().flatten();
    OperationPage {
        id: text(&operation["operationId"]),
        method: method.to_owned(),
        path: path.to_owned(),
        summary: text(&operation["summary"]),
        about: text(&operation["description"]),
        access: access(&operation["security"]),
        parameters: parameters.collect(),
        body: body(&operation["requestBody"]),
        answers: answers.map(|(status, answer)| self::answer(document, status, answer)).collect(),
    }
}

fn access(security: &Value) -> String {
    let first = &security[0];
    if first["client"].is_array() {
        return "The client signs in: Authorization: Basic with its id and secret.".to_owned();
    }
    match first["oauth2"].as_array().map(|scopes| &scopes[..]) {
        None => "Needs no token.".to_owned(),
        Some([]) => "Any valid token.".to_owned(),
        Some([scope, ..]) => format!("Token with the scope {}.", text(scope)),
    }
}

fn parameter(parameter: &Value) -> ParameterLine {
    let schema = &parameter["schema"];
    let mut kind = match schema["type"].as_str() {
        Some("array") => "repeatable".to_owned(),
        Some("string") if schema["format"] == "date-time" => "ISO 8601".to_owned(),
        Some(kind) => kind.to_owned(),
        None => String::new(),
    };
    if parameter["in"] != "query" {
        kind = format!("in the {}", text(&parameter["in"]));
    }
    if let Some(values) = schema["enum"].as_array() {
        kind = values.iter().map(text).collect::<Vec<_>>().join(" or ");
    }
    ParameterLine {
        name: text(&parameter["name"]),
        kind,
        required: parameter["required"] == true,
        text: text(&parameter["description"]),
    }
}

/// An example, or the members that a form or an object can have.
fn body(body: &Value) -> String {
    let Some((media, content)) = body["content"].as_object().and_then(|contents| contents.iter().next())
    else {
        return String::new();
    };
    if content["example"].is_object() {
        return pretty(&content["example"]);
    }
    let members = content["schema"]["properties"].as_object().into_iter().flatten();
    let lines = members.map(|(name, schema)| match schema["description"].as_str() {
        Some(text) => format!("{name}: {}", text.replace('\n', " ")),
        None => name.clone(),
    });
    format!("{media}\n\n{}", lines.collect::<Vec<_>>().join("\n"))
}

fn answer(document: &Value, status: &str, answer: &Value) -> AnswerLine {
    let shared = answer["$ref"].as_str().and_then(|place| document.pointer(place.trim_start_matches('#')));
    // Errors look alike; one example of each stands in the document.
    let example = match shared {
        Some(_) => String::new(),
        None => answer["content"]
            .as_object()
            .and_then(|contents| contents.values().find(|content| !content["example"].is_null()))
            .map(|content| pretty(&content["example"]))
            .unwrap_or_default(),
    };
    let text = text(&shared.unwrap_or(answer)["description"]);
    AnswerLine { status: status.to_owned(), text, example }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
