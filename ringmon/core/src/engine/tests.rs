//! One engine, input by input, against a table in memory.

mod alone;
mod answering;
mod asking;
mod blind;
mod cut_off;
mod drained;
mod epoch;
mod followers;
mod grace;
mod joining;
mod kit;
mod late;
mod member;
mod pace;
mod removing;
mod serving;
mod starting;
mod stopping;
mod table;
mod testimony;
mod witness;
