//! The store from outside: what was kept comes back, whatever happened to the files meanwhile.

mod damage;
mod failing;
mod folder;
mod full;
mod invented;
mod kept;
mod looking;
