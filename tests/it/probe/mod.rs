//! Asking API Entreprise: what its answers say, when it is asked, what follows.

mod beliefs;
mod check;
mod explain_code;
mod notes;
mod settings;
mod shown;
mod verdict;
