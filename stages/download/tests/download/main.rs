//! The stage from outside: archives, image files, servers and damage of all sorts. One binary, as
//! linking takes longer than the tests.

mod archives;
mod fuzz;
mod http;
mod images;
mod support;
