//! Identifiers, all derived: a call played again from the same nonce has the same ids, byte for byte.
//!
//! Versions as captured from the live service (spec/call-events.md): conversation spaces are UUID version 3,
//! participants, systems and states version 5, legs version 4. The ids of one call hang on its conversation
//! space id and on the sequence number at which they first appear, so that a call can be resumed from its last
//! state without ever using an id twice.

use uuid::{Builder, Uuid};

/// What makes one call different from all others: 128 bits that the caller of [`crate::Call::new`] draws.
///
/// The first 48 bits, unless they are 0, become those of the conversation space id: whoever puts the time there keeps
/// the calls of a time side by side in every index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nonce(pub u128);

impl Nonce {
    /// Nonce of the call with this number, of several that are played together.
    #[must_use]
    pub fn of_call(self, number: usize) -> Self {
        match number {
            0 => self,
            _ => {
                let own = Uuid::new_v5(&Uuid::from_u128(self.0), format!("call {number}").as_bytes());
                Self(self.in_order(own).as_u128())
            }
        }
    }

    /// An id with this nonce's place in time, if it has one.
    fn in_order(self, id: Uuid) -> Uuid {
        const REST: u128 = u128::MAX >> 48;
        match self.0 & !REST {
            0 => id,
            time => Uuid::from_u128(time | id.as_u128() & REST),
        }
    }
}

/// The ids of one call.
#[derive(Clone, Debug)]
pub(crate) struct CallIds {
    space_id: String,
    namespace: Uuid,
}

impl CallIds {
    pub(crate) fn new(nonce: Nonce) -> Self {
        let namespace = nonce.in_order(Uuid::new_v3(&Uuid::NAMESPACE_OID, &nonce.0.to_be_bytes()));
        Self { space_id: namespace.to_string(), namespace }
    }

    /// Of a call known by its conversation space id; an id that is no UUID serves as well.
    pub(crate) fn resume(space_id: &str) -> Self {
        let namespace = Uuid::parse_str(space_id)
            .unwrap_or_else(|_| Uuid::new_v5(&Uuid::NAMESPACE_OID, space_id.as_bytes()));
        Self { space_id: space_id.to_owned(), namespace }
    }

    pub(crate) fn space_id(&self) -> &str {
        &self.space_id
    }

    pub(crate) fn state(&self, sequence_number: u64) -> String {
        self.version_5(&format!("state {sequence_number}"))
    }

    /// The participant that appears at this sequence number as the `index`-th newcomer.
    pub(crate) fn participant(&self, sequence_number: u64, index: usize) -> String {
        self.version_5(&format!("participant {sequence_number} {index}"))
    }

    pub(crate) fn leg(&self, sequence_number: u64, index: usize) -> String {
        derived(self.namespace, &format!("leg {sequence_number} {index}")).to_string()
    }

    pub(crate) fn system(&self, sequence_number: u64) -> String {
        self.version_5(&format!("system {sequence_number}"))
    }

    pub(crate) fn execution(&self, sequence_number: u64) -> String {
        derived(self.namespace, &format!("execution {sequence_number}")).to_string()
    }

    pub(crate) fn recording(&self, sequence_number: u64) -> String {
        derived(self.namespace, &format!("recording {sequence_number}")).to_string()
    }

    fn version_5(&self, label: &str) -> String {
        Uuid::new_v5(&self.namespace, label.as_bytes()).to_string()
    }
}

/// A UUID that looks like version 4 and depends on its arguments alone.
pub(crate) fn derived(namespace: Uuid, label: &str) -> Uuid {
    Builder::from_random_bytes(*Uuid::new_v5(&namespace, label.as_bytes()).as_bytes()).into_uuid()
}

/// A key of 19 digits, as account and user keys are (spec/errors-and-limits.md, Formats).
pub(crate) fn derived_key(namespace: Uuid, label: &str) -> String {
    const SMALLEST_OF_19_DIGITS: u64 = 1_000_000_000_000_000_000;
    // Keys stay below 2^63, which signed 64-bit readers can hold.
    const SPAN: u64 = 8_000_000_000_000_000_000;
    let (high, _) = Uuid::new_v5(&namespace, label.as_bytes()).as_u64_pair();
    (SMALLEST_OF_19_DIGITS + high % SPAN).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_nonces_with_a_time_follow_each_other_and_are_still_version_3() {
        let nonce = |time: u128, chance: u128| Nonce(time << 80 | chance);
        let ids = [nonce(7, u128::MAX >> 48), nonce(8, 3), nonce(9, 2).of_call(1)]
            .map(|nonce| CallIds::new(nonce).space_id().to_owned());
        assert!(ids.is_sorted(), "{ids:?}");
        for (id, time) in ids.iter().zip(7..) {
            let id: Uuid = id.parse().expect("a UUID");
            assert_eq!((id.get_version_num(), id.as_u128() >> 80), (3, time));
        }
        assert_ne!(CallIds::new(nonce(7, 1)).space_id(), CallIds::new(nonce(7, 2)).space_id());
        assert_ne!(
            CallIds::new(Nonce(1)).namespace.as_u128() >> 80,
            0,
            "a nonce without a time gives it none"
        );
    }
}
