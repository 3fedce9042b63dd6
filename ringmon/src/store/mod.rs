//! The server table in a database: sea-orm entities, migrations, the executor of plans, retry.
