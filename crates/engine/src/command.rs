//! What can be done to a call, and why it may be refused.

use wire::Party;
use wire::call_events::{CallQueue, LineParty};

use crate::CompanyNumber;

/// One thing that happens to a call. Times are not part of it: whoever applies it says when.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Somebody on the public network calls one of the company's numbers. Any string is good as the caller's
    /// name and number (spec/call-events.md, participant types).
    StartInbound { number: CompanyNumber, caller: Party },
    /// A line dials: an outside number or another line, which the next [`Command::Ring`] rings.
    StartOutbound { line: LineParty, dial_string: String },
    /// The targets ring, all at once: a line, a group, an outside number.
    Ring { targets: Vec<Target> },
    /// A dial plan takes the waiting caller; the first node begins.
    EnterPlan { dial_plan_id: String, start_node_id: String, node: PlanNode },
    /// The current node of the dial plan is done.
    NodeResult { result: String },
    /// The dial plan goes on to another node, through the named exit of the current one.
    NextNode { connector: String, node: PlanNode },
    /// The dial plan is over: its node gets the result (unless it has one) and the plan disconnects.
    EndPlan { result: String },
    /// The caller joins a call queue, either straight away or because the dial plan goes on to its queue node.
    EnterQueue { queue: CallQueue, exit: Option<PlanExit> },
    /// The queue lets the caller go: at the hang-up, before the parties, or because somewhere else takes over.
    LeaveQueue,
    /// A voicemail box takes the waiting caller.
    EnterVoicemail { mailbox_id: String, extension: String },
    /// The voicemail box is done: with a message of this length, or without one.
    EndVoicemail { message_ms: Option<u64> },
    /// One of those who ring takes the call; the others stop ringing.
    Answer { who: Who },
    /// All who ring stop, unanswered; the caller goes on waiting.
    StopRinging,
    /// One of those who talk rings more people, to talk together.
    Invite { by: Who, targets: Vec<Target> },
    /// This party hears music until it is taken back.
    Hold { who: Who },
    /// The party on hold is taken back.
    Resume { who: Who },
    /// A line leaves the caller in a parking spot, where anybody can pick the call up.
    Park { by: Who, spot: String },
    /// A line takes over the caller who is parked, or whose transfer after a consultation is under way. The
    /// second needs what [`Command::WarmTransfer`] began.
    TakeOver { line: LineParty },
    /// Blind transfer: a line sends the caller on to a number, and leaves; whoever is there rings next.
    Transfer { by: Who, destination: String },
    /// Attended transfer, in the caller's call: a line that has consulted somebody in another call gives the
    /// caller to them and leaves.
    WarmTransfer { by: Who, consultation: Consultation },
    /// The same in the call of the consultation: the line leaves it, since its party goes on in `into`.
    HandOver { by: Who, into: String },
    /// Everybody who was left here goes on in another call; this one ends, and nobody hangs up.
    MoveAway,
    /// A party that talks is recorded from now on, with a transcript.
    Record { who: Who },
    /// One party leaves. If the call cannot go on without it, the systems end first; the other parties follow
    /// with [`Command::Proceed`].
    HangUp { who: Who },
    /// The next step that follows by itself: those whose leaving was shown are gone; a call that cannot go on
    /// disconnects who is left, and ends when nobody is.
    Proceed,
    /// A crash cut the call off: all legs and systems disconnect at once, and the call ends. Fits at any moment
    /// between start and end.
    Truncate,
}

/// Somebody to ring.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A line on one of its devices.
    Line(LineParty),
    /// An outside number, called with the company's number shown.
    Number { number: CompanyNumber, callee: Party },
}

/// A party of the call under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The one who started the call.
    Caller,
    /// The first one, in order of appearance, who did not start it and has not left.
    Callee,
    /// A line on the device with this id.
    Device(String),
    /// The participant with this id.
    Participant(String),
}

/// How the dial plan goes on: through the named exit of its node to the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanExit {
    pub connector: String,
    pub node: PlanNode,
}

/// The other call of an attended transfer, with the ids that its parties have there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consultation {
    pub conversation_space_id: String,
    /// Participant id of the line that transfers, in the consultation.
    pub transferrer_id: String,
    /// Participant id of the one who was consulted.
    pub destination_id: String,
    pub destination_extension: String,
    pub destination_name: String,
}

/// A node of a dial plan, as live states show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanNode {
    pub id: String,
    /// `ScheduleNode`, `PlaySoundClipNode`, `SimpleDialNode`, … (spec/call-events.md,
    /// interactiveVoiceResponseSystems).
    pub kind: String,
}

/// The command does not fit the situation of the call; the call is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("the call has not started: start it first")]
    NotStarted,
    #[error("the call has started already: make a new one")]
    AlreadyStarted,
    #[error("the call has ended: nothing can be done to it any more")]
    Ended,
    #[error("that party is not in the call, or is leaving already")]
    NoSuchParty,
    #[error("that party does not ring: only who rings can answer")]
    NotRinging,
    #[error("that party does not talk: only who talks can be recorded")]
    NotTalking,
    #[error("that party is recorded already")]
    RecordedAlready,
    #[error("the caller does not wait: nobody can ring, answer or take the caller now")]
    CallerNotWaiting,
    #[error("nobody to ring: name at least one target")]
    NobodyToRing,
    #[error("one of the targets is in the call already, or is named twice")]
    AlreadyInCall,
    #[error("too many legs: a call has at most {max} at a time", max = crate::limits::LEGS_MAX)]
    TooManyLegs,
    #[error("somebody rings already, or a system has the caller: wait until that is over")]
    Occupied,
    #[error("no dial plan handles the call")]
    NoPlan,
    #[error("the current node of the dial plan has its result already")]
    NodeDone,
    #[error("no call queue has the caller")]
    NoQueue,
    #[error("no voicemail box has the caller")]
    NoVoicemail,
    #[error("that party is not on hold")]
    NotOnHold,
    #[error("nobody waits to be taken over: park or transfer the caller first")]
    NobodyWaits,
    #[error("no transfer links this call with another one: its parties cannot go on there")]
    NotLinked,
    #[error("the call waits for somebody to act: nothing follows by itself")]
    NothingToDo,
}
