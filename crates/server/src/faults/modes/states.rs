//! Open questions of the course of a call (spec/call-events.md, state; Sequences; status values).

use serde_json::{Value, json};

use crate::faults::Fault;
use crate::faults::catalogue::{Bounds, Kind, Parameter};
use crate::faults::shapes::each_object;
use crate::faults::states::Shaped;

const FORM: Parameter = Parameter {
    name: "form",
    what: "members of the contact",
    bounds: Bounds::Choice(&["name", "id", "names"]),
};
const CARRIER: Parameter = Parameter {
    name: "who",
    what: "who has the status: the one who put the other on hold, or both",
    bounds: Bounds::Choice(&["other", "both"]),
};

const TRANSFER: Parameter = Parameter {
    name: "who",
    what: "who has the status: the one who is rung, or both",
    bounds: Bounds::Choice(&["destination", "both"]),
};

/// Status of a party of a call that is transferred without asking.
const TRANSFERRED: &str = "IN_DIRECT_TRANSFER";

pub const KINDS: &[Kind] = &[
    Kind::new(
        "unanswered-starting",
        "A call that nobody answered is torn down in STARTING states.",
        "Open: the type of those states.",
    )
    .states(starting),
    Kind::new(
        "same-timestamp",
        "The states of a call carry the timestamp of its first.",
        "Seen: in states that follow each other at once.",
    )
    .states(same_timestamp),
    Kind::new(
        "contact-matched",
        "The outside party of an inbound call has a contact from the second state on.",
        "Open: the form of a contact.",
    )
    .with(&[FORM])
    .states(contact),
    Kind::new(
        "answer-in-one-state",
        "Both parties are CONNECTED in the same state: there is none in which one of them still rings.",
        "Open: for inbound calls; two states were seen for outbound ones.",
    )
    .states(answer_at_once),
    Kind::new(
        "hold-carrier",
        "ON_HOLD stands at the other party of a call on hold, or at both.",
        "Open: who carries the status.",
    )
    .with(&[CARRIER])
    .states(hold_carrier),
    Kind::new(
        "transfer-carrier",
        "IN_DIRECT_TRANSFER stands at the party to whom a call is transferred, while that rings, or at both.",
        "Open: who carries the status.",
    )
    .with(&[TRANSFER])
    .states(transfer_carrier),
];

fn participants(content: &Value) -> &[Value] {
    content["state"]["participants"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn with_status(content: &Value, status: &str) -> usize {
    participants(content).iter().filter(|one| one["status"]["value"] == status).count()
}

fn has_systems(content: &Value) -> bool {
    content["state"]["interactiveVoiceResponseSystems"].as_array().is_some_and(|all| !all.is_empty())
}

/// Somebody or something has answered: an outbound line alone is connected before the other side is.
fn is_answered(content: &Value) -> bool {
    with_status(content, "CONNECTED") > 1 || has_systems(content)
}

fn starting(_: &Fault, earlier: &[Value], content: &mut Value) -> Shaped {
    let answered = is_answered(content) || earlier.iter().any(is_answered);
    let state = &mut content["state"];
    let fits = !answered && state["type"] == "ACTIVE";
    if fits {
        state["type"] = json!("STARTING");
    }
    Shaped::changed(fits)
}

fn same_timestamp(_: &Fault, earlier: &[Value], content: &mut Value) -> Shaped {
    let Some(first) = earlier.first() else { return Shaped::Same };
    let first = first["state"]["timestamp"].clone();
    let changed = content["state"]["timestamp"] != first;
    content["state"]["timestamp"] = first;
    Shaped::changed(changed)
}

fn contact(fault: &Fault, earlier: &[Value], content: &mut Value) -> Shaped {
    if earlier.is_empty() {
        return Shaped::Same;
    }
    let contact = match fault.text("form") {
        "id" => json!({"contactId": "c-100"}),
        "names" => json!({"id": "c-100", "firstName": "Ada", "lastName": "Lovelace", "company": null}),
        _ => json!({"id": "c-100", "name": "Ada Lovelace", "source": "company"}),
    };
    Shaped::changed(each_object(&mut content["state"], &mut |kind| {
        let inbound = kind.contains_key("caller") && kind.contains_key("callProvider");
        if inbound {
            kind.insert("contact".to_owned(), contact.clone());
        }
        inbound
    }))
}

/// The state in which one party is connected and the other still rings, right after the ringing.
fn is_half_answered(earlier: &[Value], content: &Value) -> bool {
    earlier.last().is_some_and(|before| before["state"]["type"] == "STARTING")
        && with_status(content, "CONNECTED") == 1
        && with_status(content, "RINGING") > 0
        && !has_systems(content)
}

/// Without that state, and numbers without a hole.
fn answer_at_once(_: &Fault, earlier: &[Value], content: &mut Value) -> Shaped {
    if is_half_answered(earlier, content) {
        return Shaped::Gone;
    }
    let was = (1..earlier.len()).any(|place| is_half_answered(&earlier[..place], &earlier[place]));
    if let Some(number) = content["state"]["sequenceNumber"].as_u64().filter(|_| was) {
        content["state"]["sequenceNumber"] = json!(number - 1);
    }
    Shaped::changed(was)
}

fn hold_carrier(fault: &Fault, _: &[Value], content: &mut Value) -> Shaped {
    if with_status(content, "ON_HOLD") == 0 {
        return Shaped::Same;
    }
    let list = content["state"]["participants"].as_array_mut();
    for one in list.into_iter().flatten() {
        let status = &mut one["status"];
        if status["value"] == "CONNECTED" {
            *status = json!({"value": "ON_HOLD"});
        } else if status["value"] == "ON_HOLD" && fault.text("who") == "other" {
            *status = json!({"value": "CONNECTED"});
        }
    }
    Shaped::Changed
}

fn transfer_carrier(fault: &Fault, _: &[Value], content: &mut Value) -> Shaped {
    let mut statuses = participants(content).iter().map(|one| &one["status"]);
    let Some(status) = statuses.find(|status| status["value"] == TRANSFERRED).cloned() else {
        return Shaped::Same;
    };
    let list = content["state"]["participants"].as_array_mut();
    let mut changed = false;
    for one in list.into_iter().flatten() {
        let becomes = match one["status"]["value"].as_str() {
            Some("RINGING") => status.clone(),
            Some(TRANSFERRED) if fault.text("who") == "destination" => json!({"value": "CONNECTED"}),
            _ => continue,
        };
        one["status"] = becomes;
        changed = true;
    }
    Shaped::changed(changed)
}
