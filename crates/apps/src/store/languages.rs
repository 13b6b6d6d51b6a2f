//! The language that each person has chosen at the screen pop.

use sqlx::AnyPool;
use ui::Lang;

/// Table of the languages; run at each start.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS desk_languages (
    person text PRIMARY KEY,
    language text NOT NULL
);
";

/// What a person has chosen; none if nothing, or a language that is not there any more.
///
/// # Errors
/// When the database refuses.
pub async fn chosen(pool: &AnyPool, person: &str) -> sqlx::Result<Option<Lang>> {
    let chosen = sqlx::query_scalar("SELECT language FROM desk_languages WHERE person = $1");
    let key: Option<String> = chosen.bind(person).fetch_optional(pool).await?;
    Ok(key.and_then(|key| Lang::of_key(&key)))
}

/// # Errors
/// When the database refuses.
pub async fn choose(pool: &AnyPool, person: &str, lang: Lang) -> sqlx::Result<()> {
    let sql = "INSERT INTO desk_languages (person, language) VALUES ($1, $2)
         ON CONFLICT (person) DO UPDATE SET language = excluded.language";
    let mut transaction = super::write(pool).await?;
    sqlx::query(sql).bind(person).bind(lang.key()).execute(&mut *transaction).await?;
    transaction.commit().await
}
