//! The package itself.
