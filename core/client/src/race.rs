//! Two who may answer one request: the connection that was asked, and a rival who is asked when that takes long.

use std::future::Future;
use std::pin::pin;
use std::time::Instant;

use sternpost_wire::scoring::ScoreReply;
use tokio::sync::oneshot;
use tokio::time::timeout_at;

use crate::error::Trouble;

/// Somebody else who may answer a request.
pub struct Rival<'a, T> {
    /// When to ask them.
    pub at: Instant,
    /// Asks them, unless there is nobody.
    pub start: &'a mut (dyn FnMut() -> Option<oneshot::Receiver<T>> + 'a),
}

/// Whose answer came first.
#[derive(Debug)]
pub enum Raced<T, R = Box<ScoreReply>> {
    /// That of this connection.
    Own(R),
    /// The rival's.
    Other(T),
}

/// A call's answer or, once it has taken long enough, a rival's if that comes first. A rival who fails says nothing.
pub(crate) async fn raced<R, T>(
    call: impl Future<Output = Result<R, Trouble>>,
    rival: Option<Rival<'_, T>>,
) -> Result<Raced<T, R>, Trouble> {
    let Some(rival) = rival else { return call.await.map(Raced::Own) };
    let mut call = pin!(call);
    if let Ok(done) = timeout_at(rival.at.into(), &mut call).await {
        return done.map(Raced::Own);
    }
    let Some(theirs) = (rival.start)() else { return call.await.map(Raced::Own) };
    tokio::select! {
        done = &mut call => done.map(Raced::Own),
        Ok(theirs) = theirs => Ok(Raced::Other(theirs)),
        else => Err(Trouble::broken("nobody answered")),
    }
}
