//! What the lists of the directory have in common: whose office, and one page of what it holds.

use std::sync::Arc;

use engine::Office;
use wire::Page;

use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::{PageKey, Params};

/// The office of the caller's account.
pub fn own(app: &App, caller: &Caller) -> ApiResult<Arc<Office>> {
    let office = app.directory.office(&caller.user.account_key);
    office.cloned().ok_or_else(|| ApiError::fault("a user's account has no office"))
}

/// The caller's office, for what a super admin of the account alone may see.
///
/// # Errors
/// 403 for everybody else.
pub fn administered(app: &App, caller: &Caller, account_key: &str) -> ApiResult<Arc<Office>> {
    if caller.sees_account(account_key) {
        return own(app, caller);
    }
    Err(ApiError::forbidden("This asks for a super admin of the account."))
}

/// One page of a list that is in memory. A marker tells how many items lie before the page.
pub fn page<T>(items: Vec<T>, params: &Params, size_default: i64) -> ApiResult<Page<T>> {
    let size = params.page_size_or(size_default)?;
    let start = params.page_key()?.map_or(0, |key| key.number);
    let skip = usize::try_from(start).map_err(|_| ApiError::bad_request("pageMarker", "INVALID"))?;
    let end = start.saturating_add(size);
    let more = i64::try_from(items.len()).is_ok_and(|count| count > end);
    let next = more.then(|| PageKey { number: end, text: String::new() }.marker());
    let taken = items.into_iter().skip(skip).take(size.unsigned_abs() as usize).collect();
    Ok(Page::new(taken, size.unsigned_abs(), next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_a_list_are_the_list() {
        let items: Vec<u32> = (0..7).collect();
        let (mut seen, mut query) = (Vec::new(), "pageSize=3".to_owned());
        loop {
            let page = page(items.clone(), &Params::parse(&query), 50).expect("a page");
            seen.extend(page.items);
            let Some(marker) = page.next_page_marker else { break };
            query = format!("pageSize=3&pageMarker={marker}");
        }
        assert_eq!(seen, items);
        let whole = page(items, &Params::parse("pageSize=7"), 50).expect("a page");
        assert_eq!((whole.items.len(), whole.next_page_marker), (7, None));
        let far = PageKey { number: i64::MAX, text: String::new() }.marker();
        let empty = page(vec![1], &Params::parse(&format!("pageMarker={far}")), 50).expect("a page");
        assert!(empty.items.is_empty());
        let before = PageKey { number: -1, text: String::new() }.marker();
        assert!(page(vec![1], &Params::parse(&format!("pageMarker={before}")), 50).is_err());
    }
}
