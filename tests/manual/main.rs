//! The manual and the completions that the built program has with it: what `man`, `mandoc`, bash, zsh and fish make of them.

mod pages;
mod program;
mod shells;
mod showing;
