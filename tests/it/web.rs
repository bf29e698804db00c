//! What is answered over HTTP: the shell around every page, and the pages.

mod run;
mod shell;
