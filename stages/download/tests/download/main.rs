//! The stage from outside: archives good, bad and odd, image files, servers and damage. One binary, as
//! linking takes longer than the tests.

mod archives;
mod contract;
mod fuzz;
mod http;
mod imagenet;
mod imagenet_files;
mod images;
mod labels;
mod layout_fuzz;
mod layouts;
mod odd;
mod pictures;
mod stl10;
mod storm;
mod support;
mod web;
