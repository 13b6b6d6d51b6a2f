//! What people say of callers: which of several contacts one is, and contacts that they keep themselves.

use jiff::Timestamp;

use super::callers::Callers;
use crate::{
    people::{contact::Contact, number::Number, text::tidy},
    store::{
        contacts::{self, BY_HAND, NewContact},
        kept_contacts::{self, Amended},
    },
};

/// What a person writes down of a caller.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub name: String,
    pub company: String,
    pub notes: String,
}

/// What became of what was written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Yes,
    /// Its call or contact is not there.
    Gone,
    /// Somebody amended it meanwhile.
    Changed,
    NoName,
    /// Nobody is known by such a number.
    NoNumber,
    /// Another contact that is kept has the number.
    NumberTaken,
}

impl Written {
    /// The contact with this number, which is its reference.
    fn contact(&self, number: &Number) -> Result<NewContact, Kept> {
        let Some(key) = number.key().filter(|_| matches!(number, Number::Phone(_) | Number::Digits { .. }))
        else {
            return Err(Kept::NoNumber);
        };
        let contact = Contact {
            source: BY_HAND.to_owned(),
            reference: key.to_owned(),
            name: tidy(&self.name),
            company: tidy(&self.company),
            notes: tidy(&self.notes),
            ..Contact::default()
        };
        if contact.name.is_empty() {
            return Err(Kept::NoName);
        }
        Ok(NewContact::new(contact, vec![(key.to_owned(), number.clone())]))
    }
}

impl Callers {
    /// The caller of a call is this contact, from now on; with an empty one nobody is any more, until somebody chooses again.
    /// False if there is no such call or contact.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn pick(&self, call_id: &str, contact: &str) -> sqlx::Result<bool> {
        let Some(call) = self.call(call_id) else { return Ok(false) };
        if contact.is_empty() {
            contacts::forget_pick(&self.pool, &call.caller).await?;
            self.again(&call.caller).await;
            return Ok(true);
        }
        let offered = call
            .known
            .as_ref()
            .is_some_and(|known| known.candidates.iter().any(|candidate| candidate.has_key(contact)));
        if !offered {
            return Ok(false);
        }
        contacts::pick(&self.pool, &call.caller, contact, Timestamp::now()).await?;
        self.again(&call.caller).await;
        Ok(true)
    }

    /// Keeps a contact that a person wrote down for the caller of a call, over the one that was kept for the same number.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn add(&self, call_id: &str, written: &Written) -> sqlx::Result<Kept> {
        let Some(call) = self.call(call_id) else { return Ok(Kept::Gone) };
        let new = match written.contact(&call.caller) {
            Ok(new) => new,
            Err(why) => return Ok(why),
        };
        let picked = new.key();
        kept_contacts::add(&self.pool, new, Timestamp::now()).await?;
        contacts::pick(&self.pool, &call.caller, &picked, Timestamp::now()).await?;
        self.again(&call.caller).await;
        Ok(Kept::Yes)
    }

    /// Puts what a person wrote down in the place of the kept contact with this reference, on all cards too; `was` is the
    /// state of the contact that the person saw.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn amend(
        &self,
        reference: &str,
        was: &str,
        written: &Written,
        number: &Number,
    ) -> sqlx::Result<Kept> {
        let new = match written.contact(number) {
            Ok(new) => new,
            Err(why) => return Ok(why),
        };
        let kept = match kept_contacts::amend(&self.pool, reference, was, new).await? {
            Amended::Done => Kept::Yes,
            Amended::Gone => Kept::Gone,
            Amended::Changed => Kept::Changed,
            Amended::NumberTaken => Kept::NumberTaken,
        };
        self.learn_all().await?;
        Ok(kept)
    }

    /// Takes the kept contact with this reference away, from all cards too.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn take_away(&self, reference: &str) -> sqlx::Result<Kept> {
        let removed = kept_contacts::remove(&self.pool, reference).await?;
        self.learn_all().await?;
        Ok(if removed { Kept::Yes } else { Kept::Gone })
    }
}
