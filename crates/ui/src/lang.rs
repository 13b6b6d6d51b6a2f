//! The languages of the desk: which one a browser asks for, and which form of a plural a number takes in each.

use std::sync::Arc;

use crate::Texts;

/// A language with a file in `texts/`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    #[default]
    English,
    /// As written in Brazil.
    Portuguese,
}

/// Forms of a noun beside a number (CLDR, plural rules), for whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    One,
    Two,
    Few,
    Other,
}

impl Lang {
    /// English first.
    pub const ALL: [Self; 2] = [Self::English, Self::Portuguese];

    /// Short name in forms, cookies and the store: "en".
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Portuguese => "pt",
        }
    }

    /// The language with this [`Lang::key`].
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lang| lang.key() == key)
    }

    /// The `lang` attribute (BCP 47).
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Portuguese => "pt-BR",
        }
    }

    /// What it calls itself.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Portuguese => "Português",
        }
    }

    /// The first of ours in an `Accept-Language` header (RFC 9110 §12.5.4), by weight; English if it has none.
    #[must_use]
    pub fn accepted(header: &str) -> Self {
        let wanted = header.split(',').filter_map(|item| {
            let (tag, weight) = item.split_once(';').unwrap_or((item, "q=1"));
            let weight: f32 = weight.trim().strip_prefix("q=")?.parse().ok()?;
            let primary = tag.trim().split('-').next()?.to_ascii_lowercase();
            Some((Self::of_key(&primary)?, weight)).filter(|(_, weight)| *weight > 0.0)
        });
        // The first of those that weigh the same.
        let best = wanted.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(lang, _)| lang).unwrap_or_default()
    }

    /// The form for "`n` calls".
    #[must_use]
    pub fn cardinal(self, n: u64) -> Form {
        match (self, n) {
            (Self::English | Self::Portuguese, 1) | (Self::Portuguese, 0) => Form::One,
            _ => Form::Other,
        }
    }

    /// The form for "the `n`th call".
    #[must_use]
    pub fn ordinal(self, n: u64) -> Form {
        match (self, n % 10, n % 100) {
            (Self::Portuguese, ..) | (_, _, 11..=13) => Form::Other,
            (Self::English, 1, _) => Form::One,
            (Self::English, 2, _) => Form::Two,
            (Self::English, 3, _) => Form::Few,
            (Self::English, ..) => Form::Other,
        }
    }

    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::English => include_str!("../texts/en.toml"),
            Self::Portuguese => include_str!("../texts/pt.toml"),
        }
    }
}

/// The texts of all languages, read once.
#[derive(Clone, Debug)]
pub struct Languages(Arc<[Arc<Texts>]>);

impl Languages {
    /// Reads the files that are compiled in.
    #[must_use]
    pub fn read() -> Self {
        Self(Lang::ALL.into_iter().map(|lang| Arc::new(Texts::of(lang))).collect())
    }

    #[must_use]
    pub fn of(&self, lang: Lang) -> &Arc<Texts> {
        self.0.iter().find(|texts| texts.lang == lang).expect("every language is read")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, lang: Lang) {
        assert_eq!(Lang::accepted(header), lang, "{header}");
    }

    #[test]
    fn a_browser_gets_the_language_it_wants_most() {
        check("", Lang::English);
        check("pt", Lang::Portuguese);
        check("pt-BR,pt;q=0.9,en;q=0.8", Lang::Portuguese);
        check("PT-pt", Lang::Portuguese);
        check("en-US,pt;q=0.9", Lang::English);
        check("de-DE,de;q=0.9,pt;q=0.5,en;q=0.4", Lang::Portuguese);
        check("de, *;q=0.1", Lang::English);
        check("pt;q=0, en;q=0.1", Lang::English);
        check("en, pt", Lang::English);
        check("pt;q=none, ;;, ptolemaic", Lang::English);
    }

    #[test]
    fn numbers_have_the_forms_of_their_language() {
        let forms = |n| (Lang::English.cardinal(n), Lang::Portuguese.cardinal(n));
        assert_eq!(forms(0), (Form::Other, Form::One));
        assert_eq!(forms(1), (Form::One, Form::One));
        assert_eq!(forms(2), (Form::Other, Form::Other));
        let ordinals = [1, 2, 3, 4, 11, 12, 13, 21, 22, 101, 111].map(|n| Lang::English.ordinal(n));
        use Form::{Few, One, Other, Two};
        assert_eq!(ordinals, [One, Two, Few, Other, Other, Other, Other, One, Two, One, Other]);
        assert_eq!(Lang::Portuguese.ordinal(1), Other);
    }
}
