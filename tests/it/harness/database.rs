//! Which database the platform uses. `CALLFEED_TEST_DATABASE=postgres` gives every platform a database of its
//! own on the server of `CALLFEED_TEST_POSTGRES`; otherwise it uses its own file.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use url::Url;

use super::Platform;

/// The URL of a fresh PostgreSQL database, or nothing for the default.
pub async fn fresh() -> Option<String> {
    match std::env::var("CALLFEED_TEST_DATABASE").unwrap_or_default().as_str() {
        "" | "sqlite" => None,
        "postgres" => Some(create().await),
        other => panic!("CALLFEED_TEST_DATABASE is {other:?}, it can be sqlite or postgres"),
    }
}

/// The URL of a fresh PostgreSQL database.
pub async fn create() -> String {
    let server = std::env::var("CALLFEED_TEST_POSTGRES")
        .expect("CALLFEED_TEST_POSTGRES is not set: start the tests with cargo xtask postgres cargo test");
    let name = format!("callfeed_it_{}", uuid::Uuid::new_v4().simple());
    let mut connection = PgConnection::connect(&server).await.expect("the PostgreSQL of the tests answers");
    let create = format!("CREATE DATABASE {name}");
    connection.execute(AssertSqlSafe(create)).await.expect("the tests may create databases");
    connection.close().await.expect("the connection closes");
    let mut url = Url::parse(&server).expect("CALLFEED_TEST_POSTGRES is a URL");
    url.set_path(&name);
    url.into()
}

/// The first column of what a query finds in a PostgreSQL database, as texts.
pub async fn column(url: &str, query: &str) -> Vec<String> {
    let mut connection = PgConnection::connect(url).await.expect("the database answers");
    let found = sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(&mut connection).await;
    connection.close().await.expect("the connection closes");
    found.expect("the query fits")
}

/// Changes a platform's database behind its back, for what would take days or a broken disk.
pub async fn sql(platform: &Platform, statement: &str) {
    sqlx::any::install_default_drivers();
    let mut connection =
        sqlx::AnyConnection::connect(&platform.database()).await.expect("the database opens");
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.expect("the statement fits");
    connection.close().await.expect("it closes");
}
