//! Ids of notifications, and the place in an account's log that each of them names, so that resuming needs no index.
//!
//! An id has the shape of a random UUID. Its second half hides the place; its first half is chance for an entry of the
//! log, where it is stored, and a proof for a channel's own message. A database that is restored from a backup goes
//! back in its log and then writes other entries at the same places. Their ids are others, so an id of the time that
//! was lost fits nothing and is unknown: whoever names it is told that something is missing.

use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use uuid::Uuid;

use super::{Store, StoreResult};

/// The variant of a UUID takes two bits of its second half.
const HALF_BITS: u64 = (1 << 62) - 1;
/// Of these, the place takes the lower ones, which is enough for a trillion entries …
const PLACE_BITS: u32 = 40;
/// … and the upper ones tell a channel's own messages at one place apart; an entry has 0.
const NUMBERS: u64 = 1 << (62 - PLACE_BITS);

/// A new id for the entry at a place. To be stored with it: an entry is told of by this id for ever.
pub(super) fn notification_id(account_key: &str, position: i64) -> String {
    id(account_key, fastrand::u64(..), 0, position)
}

/// The same id at each run, for a virtual clock: two runs can be compared.
pub(super) fn repeated_id(account_key: &str, position: i64) -> String {
    let digest: [u8; 32] = Sha256::digest(format!("entry {account_key} {position}").as_bytes()).into();
    let first_half = digest[..8].iter().fold(0, |half, byte| half << 8 | u64::from(*byte));
    id(account_key, first_half, 0, position)
}

fn id(account_key: &str, first_half: u64, number: u64, position: i64) -> String {
    let place = number << PLACE_BITS | position.unsigned_abs() & ((1 << PLACE_BITS) - 1);
    let second_half = (mask(account_key) ^ place) & HALF_BITS;
    let bits = u128::from(first_half) << 64 | u128::from(second_half);
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
}

/// Number and place that an id would have in an account's log.
fn read(account_key: &str, id: &str) -> Option<(u64, i64)> {
    let second_half = id.parse::<Uuid>().ok()?.as_u64_pair().1;
    let place = (second_half ^ mask(account_key)) & HALF_BITS;
    let position = i64::try_from(place & ((1 << PLACE_BITS) - 1)).ok()?;
    Some((place >> PLACE_BITS, position))
}

/// Hides the places of an account.
fn mask(account_key: &str) -> u64 {
    first_of(&format!("place {account_key}"))
}

fn first_of(text: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    digest.iter().take(8).fold(0, |half, byte| half << 8 | u64::from(*byte))
}

/// An own message hangs on the entry before it: where that is another one, the message is unknown.
fn own_id(account_key: &str, before: &str, number: u64, position: i64) -> String {
    let proof = first_of(&format!("own {account_key} {before} {number} {position}"));
    id(account_key, proof, number, position)
}

impl Store {
    /// A new id for a channel's own message that follows the entry at `position`; 0 before the first.
    pub async fn own_message_id(&self, account_key: &str, position: i64) -> StoreResult<String> {
        let before = self.entry_id(account_key, position).await?;
        let before = before.map(|(id, _)| id).unwrap_or_default();
        Ok(own_id(account_key, &before, fastrand::u64(1..NUMBERS), position))
    }

    /// Place of a notification in an account's log, if it is known there, and the instant by which its age is told:
    /// an entry's own, and for a channel's own message that of the entry behind it, or now if there is none.
    pub async fn place_of_notification(
        &self,
        account_key: &str,
        id: &str,
    ) -> StoreResult<Option<(i64, i64)>> {
        let Some((number, position)) = read(account_key, id) else { return Ok(None) };
        let before = self.entry_id(account_key, position).await?;
        if number == 0 {
            return Ok(before.filter(|(known, _)| known == id).map(|(_, at_us)| (position, at_us)));
        }
        let before = before.map(|(id, _)| id).unwrap_or_default();
        if own_id(account_key, &before, number, position) != id {
            return Ok(None);
        }
        if self.log_head(account_key).await? == position {
            return Ok(Some((position, self.clock.now_us())));
        }
        let next = self.entry_id(account_key, position + 1).await?;
        Ok(next.map(|(_, at_us)| (position, at_us)))
    }

    /// Notification and instant of the entry at a place.
    async fn entry_id(&self, account_key: &str, position: i64) -> StoreResult<Option<(String, i64)>> {
        let row =
            sqlx::query("select notification_id, at_us from log where account_key = $1 and position = $2")
                .bind(account_key)
                .bind(position)
                .fetch_optional(&self.read)
                .await?;
        row.map(|row| Ok((row.try_get("notification_id")?, row.try_get("at_us")?))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_place_to_whoever_knows_the_account_and_is_never_given_twice() {
        for position in [0, 1, 2, 255, 1 << 39] {
            let entry = notification_id("account", position);
            assert_eq!(read("account", &entry), Some((0, position)));
            assert_ne!(entry, notification_id("account", position), "another life of the log has another id");
            let own = own_id("account", &entry, 7, position);
            assert_eq!(read("account", &own), Some((7, position)));
            assert_ne!(own, own_id("account", "another entry", 7, position));
            assert_eq!(own.parse::<Uuid>().expect("a UUID").get_version_num(), 4);
        }
        assert_eq!(read("account", "no-id"), None);
    }
}
