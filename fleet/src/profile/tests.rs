//! Reading profiles.
