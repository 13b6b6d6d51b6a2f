//! What was measured, as a table for people and as JSON for programs.

use serde_json::{Value, json};

/// One measured number.
pub struct Figure {
    pub name: &'static str,
    pub what: String,
    /// `None` where this system cannot tell.
    pub value: Option<f64>,
    pub unit: &'static str,
    pub target: Option<Target>,
}

#[derive(Clone, Copy)]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Figure {
    pub fn new(
        name: &'static str,
        what: impl Into<String>,
        value: impl Into<Option<f64>>,
        unit: &'static str,
    ) -> Self {
        Self { name, what: what.into(), value: value.into(), unit, target: None }
    }

    pub fn at_least(mut self, value: f64) -> Self {
        self.target = Some(Target::AtLeast(value));
        self
    }

    pub fn at_most(mut self, value: f64) -> Self {
        self.target = Some(Target::AtMost(value));
        self
    }

    /// `None` without a target or a value.
    fn met(&self) -> Option<bool> {
        let value = self.value?;
        Some(match self.target? {
            Target::AtLeast(least) => value >= least,
            Target::AtMost(most) => value <= most,
        })
    }

    fn json(&self) -> Value {
        let target = self.target.map(|target| match target {
            Target::AtLeast(value) => json!({"atLeast": value}),
            Target::AtMost(value) => json!({"atMost": value}),
        });
        json!({
            "name": self.name,
            "what": self.what,
            "value": self.value,
            "unit": self.unit,
            "target": target,
            "met": self.met(),
        })
    }

    fn columns(&self) -> [String; 4] {
        let value = self.value.map_or_else(|| "not measured".to_owned(), number);
        let (target, unit) = match self.target {
            Some(Target::AtLeast(least)) => (format!("at least {}", number(least)), self.unit),
            Some(Target::AtMost(most)) => (format!("at most {}", number(most)), self.unit),
            None => (String::new(), self.unit),
        };
        let met = match self.met() {
            Some(true) => "met",
            Some(false) => "missed",
            None => "",
        };
        [self.what.clone(), format!("{value} {unit}"), target, met.to_owned()]
    }
}

/// Three digits that matter, thousands apart.
fn number(value: f64) -> String {
    match value.abs() {
        size if size < 1.0 => format!("{value:.3}"),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => thousands(value.round() as i64),
    }
}

fn thousands(value: i64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) && digit.is_ascii_digit() {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The document of `--json`.
pub fn document(figures: &[Figure], quick: bool) -> Value {
    let cores = std::thread::available_parallelism().map(usize::from).unwrap_or(0);
    let figures: Vec<Value> = figures.iter().map(Figure::json).collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "optimised": !cfg!(debug_assertions),
        "cores": cores,
        "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "quick": quick,
        "figures": figures,
    })
}

pub fn table(figures: &[Figure]) -> String {
    let head = ["measured", "value", "target", ""].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(head).chain(figures.iter().map(Figure::columns)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for [what, value, target, met] in &rows {
        let line = format!("{what:<0$}  {value:>1$}  {target:<2$}  {met}", widths[0], widths[1], widths[2]);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_targets_are_judged() {
        assert_eq!(number(1_234_567.8), "1,234,568");
        assert_eq!(number(0.8123), "0.812");
        assert_eq!(number(-1234.0), "-1,234");
        let figure = Figure::new("a", "a", 5.0, "ms");
        assert_eq!(figure.met(), None);
        assert_eq!(figure.at_most(4.0).met(), Some(false));
        assert_eq!(Figure::new("a", "a", None, "ms").at_most(4.0).met(), None);
    }
}
