//! A clock that jumps: under the gate with readings that the test makes up, and under the real
//! program with libfaketime. Nothing wrong leaves, and what was owed leaves once it is right.

mod injected;
mod real;
mod taken_back;
