//! What Data Pass says happened to a request, taken over into the record.

pub mod payload;
