//! Asking API Entreprise: what its answers say, when it is asked, what follows.

mod beliefs;
mod explain_code;
mod verdict;
mod notes;
mod check;
mod settings;
