//! The bare databases that the platform is measured against; here because SQL stands in folders of this name only.

pub mod reference;
