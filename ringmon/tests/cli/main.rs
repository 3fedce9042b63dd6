//! The commands from outside: their output and their exit codes. The databases are temporary SQLite files.

#[cfg(test)]
mod configuration;
#[cfg(test)]
mod dumps;
#[cfg(test)]
mod first;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod pages;
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
mod supervised;
#[cfg(test)]
mod table;
