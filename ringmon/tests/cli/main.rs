//! The commands from outside: what they print, and their exit codes. Databases are SQLite files that are thrown away.

#[cfg(test)]
mod configuration;
#[cfg(test)]
mod dumps;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod route;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod status;
#[cfg(test)]
mod table;
