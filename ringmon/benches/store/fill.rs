//! Makes a whole ring of many servers with a few statements.

use anyhow::Context;
use ringmon_tests::engine::Engine;
use sea_orm::{ConnectionTrait, DatabaseConnection};

/// Rows in one statement: few enough for one write set of a cluster.
const BATCH: u32 = 100_000;

const COLUMNS: &str = "id, pool, name, address, notice_port, weight, first_buddy, second_buddy, incarnation, boot, \
                       pick, draining, health, version";

/// Inserts servers 1 to `servers`. Neighbours on the ring are far apart in the table, as they are where servers join at
/// random places. Picks are spread over all numbers.
pub async fn fill(db: &DatabaseConnection, engine: Engine, pool: i64, servers: u32) -> anyhow::Result<()> {
    for first in (0..servers).step_by(BATCH as usize) {
        let sql = insert(engine, pool, servers, first);
        db.execute_unprepared(&sql).await.with_context(|| format!("cannot insert rows from {first} on"))?;
    }
    if engine != Engine::Sqlite {
        db.execute_unprepared("ANALYZE TABLE server").await.context("cannot analyse the table")?;
    }
    Ok(())
}

fn insert(engine: Engine, pool: i64, servers: u32, first: u32) -> String {
    let step = step(servers);
    let back = servers - step;
    let (name, address) = if engine == Engine::Sqlite {
        ("'s' || n", "printf('fd00::%x:%x', n / 65536 + 1, n % 65536)")
    } else {
        ("CONCAT('s', n)", "CONCAT('fd00::', LOWER(HEX(n DIV 65536 + 1)), ':', LOWER(HEX(n % 65536)))")
    };
    // A prime below 2^32, and a number without a common factor: so every pick occurs once.
    let pick = "((n + 1) * 1640531527 % 4294967291 - 2147483648) * 4294967296";
    format!(
        "INSERT INTO server ({COLUMNS}) SELECT n + 1, {pool}, {name}, {address}, 7464, 1, \
         (n + {step}) % {servers} + 1, (n + {back}) % {servers} + 1, 1, 'bench', {pick}, 0, 'unknown', 1 \
         FROM ({}) AS numbers WHERE n < {servers}",
        numbers(first, BATCH.min(servers))
    )
}

/// At least `count` numbers from `first` on. Products of digits are the same on every engine, and need no setting.
fn numbers(first: u32, count: u32) -> String {
    let digits = (count - 1).to_string().len();
    let ten = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 \
               UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
    let sum: Vec<String> =
        (0..digits).map(|k| format!("d{k}.d * {}", 10_u32.pow(u32::try_from(k).unwrap_or(0)))).collect();
    let from: Vec<String> = (0..digits).map(|k| format!("{ten} AS d{k}")).collect();
    format!("SELECT {first} + {} AS n FROM {}", sum.join(" + "), from.join(" CROSS JOIN "))
}

/// How far apart neighbours are: about the golden ratio of the ring, and without a common factor with it, so that there
/// is only one ring.
fn step(servers: u32) -> u32 {
    let golden = u64::from(servers) * 618 / 1000;
    let mut step = u32::try_from(golden).unwrap_or(servers).max(1);
    while gcd(step, servers) != 1 {
        step += 1;
    }
    step
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
