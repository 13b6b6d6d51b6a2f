//! The platform's OpenAPI document as a judge of answers.

use serde_json::{Value, json};

use crate::harness::{Answer, Platform};

pub struct Document(Value);

impl Document {
    pub async fn of(platform: &Platform) -> Self {
        Self(platform.with_token("").get("/openapi.json").await.is(200).json())
    }

    /// The operation that a request meets; literal parts of a path go before parameters.
    pub fn operation(&self, method: &str, path: &str) -> &Value {
        let path = path.split('?').next().unwrap_or_default();
        let paths = self.0["paths"].as_object().expect("paths");
        let fitting = paths.keys().filter(|template| fits(template, path));
        let template = fitting.min_by_key(|template| template.matches('{').count());
        let template = template.unwrap_or_else(|| panic!("the document has no {path}"));
        let operation = &paths[template][method.to_lowercase()];
        assert!(operation.is_object(), "the document has no {method} {template}");
        operation
    }

    /// The answer has a status that the operation documents, with the body documented for it.
    pub fn judge(&self, method: &str, path: &str, answer: &Answer) {
        let what = format!("{method} {path}: {}", answer.status);
        let documented = &self.operation(method, path)["responses"][answer.status.to_string()];
        assert!(documented.is_object(), "{what} is not documented");
        let documented = match documented["$ref"].as_str() {
            Some(reference) => self.0.pointer(reference.trim_start_matches('#')).expect("it leads somewhere"),
            None => documented,
        };
        let Some(contents) = documented["content"].as_object() else {
            assert_eq!(answer.text, "", "{what}: no body is documented");
            return;
        };
        let kind = answer.header("content-type").split(';').next().unwrap_or_default();
        let content = contents.get(kind).unwrap_or_else(|| panic!("{what}: {kind:?} is not documented"));
        let mut schema = content["schema"].clone();
        if kind != "application/json" || schema.is_null() {
            return;
        }
        schema["components"] = self.0["components"].clone();
        let validator = jsonschema::validator_for(&schema).expect("a JSON Schema");
        let errors: Vec<String> = validator.iter_errors(&answer.json()).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{what}: {errors:?} in {}", answer.text);
    }

    /// Security of an operation: the scope that it asks for.
    pub fn scope(&self, method: &str, path: &str) -> String {
        let security = &self.operation(method, path)["security"];
        assert_eq!(security[1], json!({"bearer": []}), "{method} {path}");
        security[0]["oauth2"][0].as_str().unwrap_or_default().to_owned()
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(&path).all(|(part, given)| part.starts_with('{') || part == given)
}
