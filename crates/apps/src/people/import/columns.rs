//! Which column of a file is what: by its heading, in several languages, or as told.

use serde::{Deserialize, Serialize};

/// What a column can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    Name,
    FirstName,
    LastName,
    Company,
    Phone,
    Email,
    Tier,
    Notes,
    Link,
    /// What the contact is known by in the system it comes from.
    Id,
    /// Not taken.
    Nothing,
}

/// All of them, with their names.
pub const FIELDS: [(Field, &str); 11] = [
    (Field::Name, "name"),
    (Field::FirstName, "first-name"),
    (Field::LastName, "last-name"),
    (Field::Company, "company"),
    (Field::Phone, "phone"),
    (Field::Email, "email"),
    (Field::Tier, "tier"),
    (Field::Notes, "notes"),
    (Field::Link, "link"),
    (Field::Id, "id"),
    (Field::Nothing, "nothing"),
];

/// Headings as exports write them: Google, Outlook, HubSpot, Salesforce, Zoho, in English, German, Portuguese, Spanish
/// and French. Letters and digits only, in lower case.
const HEADINGS: [(Field, &[&str]); 10] = [
    (
        Field::FirstName,
        &["firstname", "givenname", "forename", "vorname", "primeironome", "prenom", "prénom"],
    ),
    (
        Field::LastName,
        &[
            "lastname",
            "familyname",
            "surname",
            "nachname",
            "sobrenome",
            "apellido",
            "apellidos",
            "nomdefamille",
        ],
    ),
    (
        Field::Company,
        &[
            "company",
            "companyname",
            "organization",
            "organisation",
            "organizationname",
            "organization1name",
            "account",
            "accountname",
            "firma",
            "unternehmen",
            "empresa",
            "societe",
            "société",
            "entreprise",
        ],
    ),
    (Field::Email, &["email", "emailaddress", "email1value", "mail", "correo", "emailadresse"]),
    (Field::Tier, &["tier", "segment", "level", "category", "kundengruppe", "categoria", "categoría"]),
    (
        Field::Notes,
        &[
            "notes",
            "note",
            "comment",
            "comments",
            "description",
            "notizen",
            "bemerkung",
            "notas",
            "observacoes",
            "remarques",
        ],
    ),
    (Field::Link, &["link", "url", "recordurl", "profile"]),
    (
        Field::Id,
        &["id", "recordid", "contactid", "customerid", "customernumber", "externalid", "kundennummer", "uid"],
    ),
    (
        Field::Name,
        &[
            "name",
            "fullname",
            "displayname",
            "contact",
            "contactname",
            "customer",
            "customername",
            "kunde",
            "nome",
            "nombre",
            "nom",
        ],
    ),
    (
        Field::Phone,
        &[
            "phone",
            "phonenumber",
            "telephone",
            "tel",
            "mobile",
            "mobilephone",
            "mobilenumber",
            "cell",
            "cellphone",
            "businessphone",
            "homephone",
            "workphone",
            "otherphone",
            "primaryphone",
            "telefon",
            "telefonnummer",
            "handy",
            "mobil",
            "telefone",
            "celular",
            "telefono",
            "teléfono",
            "movil",
            "móvil",
            "téléphone",
            "portable",
        ],
    ),
];

/// Headings of things that look like phones and are none.
const NO_PHONE: [&str; 4] = ["fax", "type", "label", "extension"];

/// What each column is; none keeps it under its own heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns(pub Vec<Option<Field>>);

/// What a person chose for a column; without a field it is kept under its heading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub heading: String,
    pub field: Option<Field>,
}

impl Field {
    /// As `--map` and forms write it.
    #[must_use]
    pub fn key(self) -> &'static str {
        FIELDS.iter().find(|(field, _)| *field == self).map_or("", |(_, name)| name)
    }
}

/// Why the columns cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    #[error(
        "--map {0} is not FIELD=COLUMN; fields are name, first-name, last-name, company, phone, email, tier, notes, link, id and nothing"
    )]
    NoPair(String),
    #[error("there is no column {column:?}; the columns are {there}")]
    NoColumn { column: String, there: String },
    #[error("the file has other columns than those that were chosen for it: {there}; choose them anew")]
    Changed { there: String },
    #[error("no column looks like a phone number; name one with --map phone=COLUMN; the columns are {there}")]
    NoPhone { there: String },
}

impl Columns {
    /// By the headings alone.
    #[must_use]
    pub fn guessed(headings: &[String]) -> Self {
        Self(headings.iter().map(|heading| guess(heading)).collect())
    }

    /// By their places, as a person chose on the page; the file may have changed since.
    ///
    /// # Errors
    /// [`ColumnError::Changed`] when the file has other columns, [`ColumnError::NoPhone`].
    pub fn chosen(headings: &[String], chosen: &[Choice]) -> Result<Self, ColumnError> {
        let same = headings.len() == chosen.len()
            && headings.iter().zip(chosen).all(|(here, then)| *here == then.heading);
        if !same {
            return Err(ColumnError::Changed { there: headings.join(", ") });
        }
        let columns = Self(chosen.iter().map(|choice| choice.field).collect());
        if !columns.0.contains(&Some(Field::Phone)) {
            return Err(ColumnError::NoPhone { there: headings.join(", ") });
        }
        Ok(columns)
    }

    /// As they were guessed, with what is told (`phone=Main line`) in their place. Told fields are not guessed besides.
    ///
    /// # Errors
    /// [`ColumnError`], naming the columns there are.
    pub fn find(
        headings: &[String],
        guesses: &[Option<Field>],
        told: &[(Field, String)],
    ) -> Result<Self, ColumnError> {
        let mut columns = guesses.to_vec();
        columns.resize(headings.len(), None);
        let there = || headings.join(", ");
        for column in columns.iter_mut() {
            if column.is_some_and(|field| told.iter().any(|(known, _)| *known == field)) {
                *column = None;
            }
        }
        for (field, name) in told {
            let at = headings.iter().position(|heading| heading.trim().eq_ignore_ascii_case(name.trim()));
            let at = at.ok_or_else(|| ColumnError::NoColumn { column: name.clone(), there: there() })?;
            columns[at] = Some(*field);
        }
        if !columns.contains(&Some(Field::Phone)) {
            return Err(ColumnError::NoPhone { there: there() });
        }
        Ok(Self(columns))
    }
}

/// Reads `name=Full name,phone=Main line,phone=Mobile`.
///
/// # Errors
/// [`ColumnError::NoPair`]
pub fn told(text: &str) -> Result<Vec<(Field, String)>, ColumnError> {
    let wrong = |part: &str| ColumnError::NoPair(part.trim().to_owned());
    let pair = |part: &str| {
        let (field, column) = part.split_once('=').ok_or_else(|| wrong(part))?;
        let field = FIELDS.iter().find(|(_, name)| *name == field.trim()).ok_or_else(|| wrong(part))?;
        Ok((field.0, column.trim().to_owned()))
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(pair).collect()
}

fn guess(heading: &str) -> Option<Field> {
    let bare: String = heading.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if NO_PHONE.iter().any(|word| bare.contains(word)) {
        return None;
    }
    let exact = HEADINGS.iter().find(|(_, names)| names.contains(&bare.as_str()));
    // "Phone 1 - Value", "Mobile (private)": a phone by its beginning.
    let begins =
        || ["phone", "mobile", "telefon", "telefone", "tel"].iter().any(|word| bare.starts_with(word));
    exact.map(|(field, _)| *field).or_else(|| begins().then_some(Field::Phone))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(headings: &[String], told: &[(Field, String)]) -> Result<Columns, ColumnError> {
        Columns::find(headings, &Columns::guessed(headings).0, told)
    }

    fn headings(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn headings_are_guessed() {
        use Field::{Company, Email, FirstName, LastName, Name, Phone};
        let found =
            find(&headings("First Name,Last Name,E-mail,Company,Phone 1 - Value,Fax,Phone 1 - Type"), &[]);
        let expect = [Some(FirstName), Some(LastName), Some(Email), Some(Company), Some(Phone), None, None];
        assert_eq!(found.unwrap().0, expect);
        let german = find(&headings("Kunde,Firma,Telefon,Handy"), &[]).unwrap();
        assert_eq!(german.0, [Some(Name), Some(Company), Some(Phone), Some(Phone)]);
    }

    #[test]
    fn what_is_told_wins() {
        let told = told("phone=Main line, name=Who").unwrap();
        let found = find(&headings("Who,Phone,main line,Company"), &told).unwrap();
        assert_eq!(found.0, [Some(Field::Name), None, Some(Field::Phone), Some(Field::Company)]);
        assert!(super::told("phone").is_err() && super::told("number=x").is_err());
        let missing = find(&headings("a,b"), &super::told("phone=c").unwrap()).unwrap_err();
        assert!(missing.to_string().contains("a, b"), "{missing}");
        assert!(find(&headings("a,b"), &[]).unwrap_err().to_string().contains("--map phone="));
    }
}
