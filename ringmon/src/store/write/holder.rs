//! Whose lock a write has waited for.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Statement};
use tokio::time::timeout;

use crate::store::error::{Fault, classify};
use crate::store::session::Session;
use crate::store::{Error, Store};

/// The wait is over, so the server does not say any more who it was for. Most likely it was for the oldest transaction.
/// (<https://mariadb.com/kb/en/information-schema-innodb_trx-table/>; MySQL has the same two tables.)
const OLDEST: &str = "SELECT CONCAT(p.user, '@', p.host, ' (connection ', p.id, ', ', p.command, ' for ', p.time, \
                      ' s)') FROM information_schema.innodb_trx t \
                      INNER JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id \
                      WHERE t.trx_rows_locked > 0 AND p.id <> CONNECTION_ID() ORDER BY t.trx_started LIMIT 1";

impl Store {
    /// For the end of an error's text. `None`: nobody has locked anything any more, or there is no answer.
    pub(super) async fn holder(&self, session: &Session) -> Option<String> {
        const LONGEST: Duration = Duration::from_millis(500);
        let asked = session.query_one_raw(Statement::from_string(session.get_database_backend(), OLDEST));
        match timeout(LONGEST, asked).await.ok()? {
            Ok(row) => {
                let who: String = row?.try_get_by_index(0).ok()?;
                Some(format!("; the oldest transaction with locked rows is that of {who}"))
            }
            Err(error) => {
                let fault = classify(self.inner.database.url(), "reading who holds a row", error);
                matches!(fault, Fault::Failed(Error::Privilege { .. }))
                    .then(|| "; who holds the row is shown to users with the PROCESS privilege".to_owned())
            }
        }
    }
}
