//! The chapters, in the order in which they are told. Each looks for itself at what it tells.

mod accepted;
mod asked;
mod delivered;
pub mod due;
mod found;
mod issued;
mod once_more;
pub mod opening;
mod promoted;
mod retired;
mod signed_in;
pub mod summary;

use crate::stop::Stop;
use crate::story::Story;

pub use asked::Asked;

/// Up to the moment at which a person is asked.
///
/// # Errors
/// [`Stop`].
pub async fn until_a_person_is_asked(story: &mut Story) -> Result<Asked, Stop> {
    opening::tell(story).await?;
    found::tell(story).await?;
    let issued = issued::tell(story).await?;
    accepted::tell(story, &issued).await?;
    asked::tell(story, &issued).await
}

/// From there to the time of the next renewal.
///
/// # Errors
/// [`Stop`].
pub async fn until_the_next_is_due(story: &mut Story, asked: &Asked) -> Result<(), Stop> {
    signed_in::tell(story, asked).await?;
    delivered::tell(story, &asked.issued).await?;
    promoted::tell(story, &asked.issued).await?;
    retired::tell(story, &asked.issued).await?;
    let last = once_more::tell(story).await?;
    due::tell(story, &last).await
}
