//! What the document tells of one operation, written beside its route in `router/`.

use axum::http::Method;
use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::examples;
use super::parameters::Parameter;

/// Makes a schema, or a reference to one among the document's components.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// Who may call.
#[derive(Clone, Copy, Debug)]
pub enum Access {
    /// Everybody; what is secret stands in the path.
    Open,
    /// The client with its id and secret.
    Client,
    /// Any valid access token.
    Token,
    /// An access token with this scope.
    Scope(&'static str),
}

/// One kind of content of an answer.
#[derive(Clone)]
struct Content {
    media: &'static str,
    schema: Option<SchemaOf>,
    example: Option<&'static str>,
}

#[derive(Clone)]
struct Answer {
    status: u16,
    text: &'static str,
    contents: Vec<Content>,
    headers: Vec<(&'static str, &'static str)>,
}

#[derive(Clone)]
struct Body {
    media: &'static str,
    schema: SchemaOf,
    /// Merged into the schema: what the platform asks for beyond what the type can say.
    bounds: Value,
    example: Option<&'static str>,
    required: bool,
}

/// One operation. Errors that come from reading a request are added by themselves.
#[derive(Clone)]
pub struct Operation {
    id: &'static str,
    summary: &'static str,
    about: &'static str,
    access: Access,
    parameters: Vec<Parameter>,
    body: Option<Body>,
    answers: Vec<Answer>,
    errors: Vec<u16>,
    /// Takes part in `Accept`: 406.
    pub negotiated: bool,
}

/// An operation with its `operationId` and a summary; everybody may call it unless it says otherwise.
pub fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation {
        id,
        summary,
        about: "",
        access: Access::Open,
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
        errors: Vec::new(),
        negotiated: false,
    }
}

impl Operation {
    pub fn about(mut self, text: &'static str) -> Self {
        self.about = text;
        self
    }

    pub fn scope(mut self, scope: &'static str) -> Self {
        self.access = Access::Scope(scope);
        self
    }

    pub fn any_token(mut self) -> Self {
        self.access = Access::Token;
        self
    }

    pub fn client(mut self) -> Self {
        self.access = Access::Client;
        self
    }

    pub fn query(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// A JSON body; `bounds` is merged into the type's schema.
    pub fn body<T: JsonSchema>(mut self, example: &'static str, bounds: Value) -> Self {
        let schema: SchemaOf = |generator| generator.subschema_for::<T>();
        let example = Some(example).filter(|name| !name.is_empty());
        self.body = Some(Body { media: "application/json", schema, bounds, example, required: true });
        self
    }

    /// The body may be left out.
    pub fn body_optional(mut self) -> Self {
        if let Some(body) = &mut self.body {
            body.required = false;
        }
        self
    }

    /// A form as token endpoints take it.
    pub fn form(mut self, schema: Value) -> Self {
        let media = "application/x-www-form-urlencoded";
        let empty: SchemaOf = |_| Schema::default();
        self.body = Some(Body { media, schema: empty, bounds: schema, example: None, required: true });
        self
    }

    /// A JSON answer of this type, with one of the spec's examples.
    pub fn answers<T: JsonSchema>(self, status: u16, text: &'static str, example: &'static str) -> Self {
        let example = Some(example).filter(|name| !name.is_empty());
        self.answer(status, text).content("application/json", |g| g.subschema_for::<T>(), example)
    }

    /// An answer without a body, until content is added.
    pub fn answer(mut self, status: u16, text: &'static str) -> Self {
        self.answers.push(Answer { status, text, contents: Vec::new(), headers: Vec::new() });
        self
    }

    /// Content of the last answer.
    pub fn content(mut self, media: &'static str, schema: SchemaOf, example: Option<&'static str>) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.contents.push(Content { media, schema: Some(schema), example });
        }
        self
    }

    /// Content of the last answer that is no JSON.
    pub fn bytes(mut self, media: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.contents.push(Content { media, schema: None, example: None });
        }
        self
    }

    /// A header that the last answer always has.
    pub fn header(mut self, name: &'static str, text: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push((name, text));
        }
        self
    }

    /// Errors besides those that every operation of its kind has.
    pub fn errors(mut self, statuses: &[u16]) -> Self {
        self.errors.extend(statuses);
        self
    }

    /// The operation object.
    pub fn describe(&self, path: &str, tag: &str, schemas: &mut Schemas) -> Value {
        let mut object = json!({"operationId": self.id, "summary": self.summary, "tags": [tag]});
        if !self.about.is_empty() {
            object["description"] = json!(self.about);
        }
        object["security"] = self.security();
        let parameters: Vec<Value> =
            super::parameters::in_path(path).chain(self.parameters.iter().map(Parameter::describe)).collect();
        if !parameters.is_empty() {
            object["parameters"] = json!(parameters);
        }
        if let Some(body) = &self.body {
            object["requestBody"] = body.describe(schemas);
        }
        let mut answers = Map::new();
        for answer in &self.answers {
            answers.insert(answer.status.to_string(), answer.describe(schemas));
        }
        for status in self.all_errors(path) {
            let shared =
                json!({"$ref": format!("#/components/responses/{}", super::responses::name(status))});
            answers.entry(status.to_string()).or_insert(shared);
        }
        object["responses"] = Value::Object(answers);
        object
    }

    fn security(&self) -> Value {
        match self.access {
            Access::Open => json!([]),
            Access::Client => json!([{"client": []}]),
            Access::Token => json!([{"oauth2": []}, {"bearer": []}]),
            Access::Scope(scope) => json!([{"oauth2": [scope]}, {"bearer": []}]),
        }
    }

    fn all_errors(&self, path: &str) -> Vec<u16> {
        let mut all = self.errors.clone();
        all.push(500);
        if self.negotiated {
            all.push(406);
        }
        if path.contains('{') {
            all.push(404);
        }
        if !self.parameters.is_empty() {
            all.push(400);
        }
        if let Some(body) = &self.body {
            all.extend([400, 408, 413]);
            if body.media == "application/json" {
                all.push(415);
            }
        }
        match self.access {
            Access::Token | Access::Scope(_) => all.extend([401, 403, 429]),
            Access::Client => all.push(401),
            Access::Open => {}
        }
        all.sort_unstable();
        all.dedup();
        all
    }
}

impl Body {
    fn describe(&self, schemas: &mut Schemas) -> Value {
        let mut schema = Value::from((self.schema)(&mut schemas.requests));
        super::merge(&mut schema, &self.bounds);
        let mut content = json!({"schema": schema});
        if let Some(example) = self.example.and_then(examples::read) {
            content["example"] = example;
        }
        json!({"required": self.required, "content": {self.media: content}})
    }
}

impl Answer {
    fn describe(&self, schemas: &mut Schemas) -> Value {
        let mut object = json!({"description": self.text});
        for content in &self.contents {
            let mut described = json!({});
            if let Some(schema) = content.schema {
                described["schema"] = Value::from(schema(&mut schemas.answers));
            }
            if let Some(example) = content.example.and_then(examples::read) {
                described["example"] = example;
            }
            object["content"][content.media] = described;
        }
        for (name, text) in &self.headers {
            object["headers"][*name] =
                json!({"description": text, "required": true, "schema": {"type": "string"}});
        }
        object
    }
}

/// Schemas of what is read and of what is written: a member that a reader may leave out is one that the platform
/// always writes.
pub struct Schemas {
    /// Inlined where they are used.
    pub requests: SchemaGenerator,
    /// Collected among the components.
    pub answers: SchemaGenerator,
}

/// An operation with where it is.
pub struct Documented {
    pub method: Method,
    /// The whole path, with its parameters in braces.
    pub path: String,
    pub tag: &'static str,
    pub operation: Operation,
}
