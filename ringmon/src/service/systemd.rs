//! Passes if systemd says that a unit is active (`org.freedesktop.systemd1`, org.freedesktop.systemd1(5)).

use zbus::Connection;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const SERVICE: &str = "org.freedesktop.systemd1.Service";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// What systemd itself counts as active (`UNIT_IS_ACTIVE_OR_RELOADING` in its sources): a unit that reloads still
/// serves.
const ACTIVE: [&str; 3] = ["active", "reloading", "refreshing"];

/// The system's bus. It connects at the first question, and again after the connection broke.
#[derive(Debug, Default)]
pub(super) struct Bus(Option<Connection>);

impl Bus {
    /// With a connection that is already open, for tests.
    #[cfg(test)]
    pub const fn of(connection: Connection) -> Self {
        Self(Some(connection))
    }

    pub async fn active(&mut self, unit: &str) -> Result<(), String> {
        let state: String = self.property(unit, UNIT, "ActiveState").await?;
        if ACTIVE.contains(&state.as_str()) { Ok(()) } else { Err(format!("{unit} is {state}")) }
    }

    /// The process that systemd takes for the unit's first.
    pub async fn main_pid(&mut self, unit: &str) -> Result<u32, String> {
        match self.property(unit, SERVICE, "MainPID").await? {
            0 => Err(format!("{unit} has no main process")),
            pid => Ok(pid),
        }
    }

    async fn property<T>(&mut self, unit: &str, of: &str, name: &str) -> Result<T, String>
    where
        T: TryFrom<OwnedValue>,
        zbus::Error: From<T::Error>,
    {
        // It takes the connection out: after a question that hung and was dropped, the next one uses a new connection.
        let bus = match self.0.take() {
            Some(bus) => bus,
            None => Connection::system().await.map_err(|error| format!("no system bus: {error}"))?,
        };
        let said = property(&bus, unit, of, name).await;
        if !matches!(said, Err(zbus::Error::InputOutput(_))) {
            self.0 = Some(bus);
        }
        match said {
            Ok(value) => Ok(value),
            Err(zbus::Error::MethodError(name, _, _)) if name == "org.freedesktop.systemd1.NoSuchUnit" => {
                Err(format!("{unit} is not loaded"))
            }
            Err(error) => Err(format!("systemd does not say: {error}")),
        }
    }
}

/// A property of a loaded unit. It asks two questions and uses no proxy, because a proxy would subscribe to signals
/// that nobody needs.
async fn property<T>(bus: &Connection, unit: &str, of: &str, name: &str) -> zbus::Result<T>
where
    T: TryFrom<OwnedValue>,
    zbus::Error: From<T::Error>,
{
    let to = Some(SYSTEMD);
    let found = bus.call_method(to, "/org/freedesktop/systemd1", Some(MANAGER), "GetUnit", &(unit,)).await?;
    let path: OwnedObjectPath = found.body().deserialize()?;
    let said = bus.call_method(to, &path, Some(PROPERTIES), "Get", &(of, name)).await?;
    let value: OwnedValue = said.body().deserialize()?;
    Ok(T::try_from(value)?)
}
