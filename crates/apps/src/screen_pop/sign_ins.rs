//! Sign-ins under way, with room for everybody: whoever begins many pushes out their own oldest. Pure: time is an argument.

use std::{collections::HashMap, net::IpAddr};

use jiff::Timestamp;

use super::limits::{SIGN_IN_LIFE, SIGN_INS_MAX, SIGN_INS_OF_ONE_MAX};

/// By their state, what belongs to each.
pub struct SignIns<T>(HashMap<String, SignIn<T>>);

struct SignIn<T> {
    address: IpAddr,
    began: Timestamp,
    /// Tells those of one instant apart.
    number: u64,
    of: T,
}

impl<T> Default for SignIns<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> SignIns<T> {
    /// Takes in a sign-in that a browser at this address has begun. Beyond [`SIGN_INS_OF_ONE_MAX`] the oldest of the address
    /// leaves, beyond [`SIGN_INS_MAX`] the oldest of the address that has most.
    pub fn add(&mut self, state: String, address: IpAddr, of: T, now: Timestamp) {
        self.0.retain(|_, one| now.duration_since(one.began).unsigned_abs() < SIGN_IN_LIFE);
        let number = self.0.values().map(|one| one.number).max().map_or(0, |number| number + 1);
        self.0.insert(state, SignIn { address, began: now, number, of });
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        self.0.values().for_each(|one| *counts.entry(one.address).or_default() += 1);
        if counts.get(&address).is_some_and(|count| *count > SIGN_INS_OF_ONE_MAX) {
            self.drop_oldest(address);
        } else if self.0.len() > SIGN_INS_MAX
            && let Some((most, _)) = counts.into_iter().max_by_key(|(_, count)| *count)
        {
            self.drop_oldest(most);
        }
    }

    #[must_use]
    pub fn get(&self, state: &str) -> Option<&T> {
        self.0.get(state).map(|one| &one.of)
    }

    /// Ends a sign-in.
    pub fn take(&mut self, state: &str) -> Option<T> {
        self.0.remove(state).map(|one| one.of)
    }

    fn drop_oldest(&mut self, address: IpAddr) {
        let of_address = self.0.iter().filter(|(_, one)| one.address == address);
        let oldest = of_address.min_by_key(|(_, one)| one.number).map(|(state, _)| state.clone());
        oldest.and_then(|state| self.0.remove(&state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_shuts_out_others() {
        let mut sign_ins = SignIns::default();
        let now = Timestamp::UNIX_EPOCH;
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        sign_ins.add("ada".into(), address(1), (), now);
        for n in 0..SIGN_INS_OF_ONE_MAX + 100 {
            sign_ins.add(format!("of one {n}"), address(2), (), now);
        }
        assert_eq!(sign_ins.0.len(), SIGN_INS_OF_ONE_MAX + 1);
        assert!(sign_ins.get("of one 0").is_none() && sign_ins.get("ada").is_some());
        // Many addresses.
        for n in 0..SIGN_INS_MAX + 100 {
            sign_ins.add(format!("of many {n}"), address(10 + n as u32 / 4), (), now);
        }
        assert_eq!(sign_ins.0.len(), SIGN_INS_MAX);
        assert!(sign_ins.get("ada").is_some(), "it is the only one of its address");
        sign_ins.add("last".into(), address(1), (), now);
        assert!(sign_ins.take("last").is_some() && sign_ins.take("last").is_none());
        let late = now.checked_add(SIGN_IN_LIFE).unwrap();
        sign_ins.add("late".into(), address(1), (), late);
        assert_eq!(sign_ins.0.len(), 1, "those that took too long are gone");
    }
}
