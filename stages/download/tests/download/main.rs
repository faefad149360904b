//! The stage from outside: archives good, bad and odd, image files, servers and damage. One binary, as
//! linking takes longer than the tests.

mod archives;
mod fuzz;
mod http;
mod images;
mod odd;
mod pictures;
mod support;
mod web;
