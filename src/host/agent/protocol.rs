//! Requests and answers as JSON, and a command's output as we keep it.

use qapi::Execute;
use qapi::qga::{GuestAgentInfo, GuestExecStatus};
use serde::Deserialize;

use crate::port::{AgentAbout, AgentError, ExecOutput};

/// Bytes of an answer that are read: two outputs of a guest's own limit (16 MiB) never get through libvirt anyway,
/// whose strings end at 4 MiB.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;
/// Commands of an agent that are told; QEMU 10 has some sixty.
const COMMANDS: usize = 200;
/// Characters of a wrong answer that are shown.
const SHOWN: usize = 200;

/// `{"return": ...}` or `{"error": {"desc": ...}}`.
#[derive(Deserialize)]
struct Answer<T> {
    #[serde(rename = "return")]
    value: Option<T>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    desc: String,
}

/// A command as it is sent.
pub fn request<C: qapi::Command>(command: C) -> Result<String, AgentError> {
    serde_json::to_string(&Execute::<C>::with_command(command))
        .map_err(|error| AgentError::Refused(format!("the request cannot be written: {error}")))
}

/// The answer to a command.
pub fn answer<C: qapi::Command>(text: &str) -> Result<C::Ok, AgentError> {
    if text.len() > ANSWER_LIMIT {
        return Err(AgentError::Garbled(format!(
            "{}: an answer of {} bytes",
            C::NAME,
            text.len()
        )));
    }
    let garbled = |problem: &str| AgentError::Garbled(format!("{}: {problem}: {}", C::NAME, shown(text)));
    let answer: Answer<C::Ok> = serde_json::from_str(text).map_err(|error| garbled(&error.to_string()))?;
    match answer {
        Answer {
            value: Some(value),
            error: None,
        } => Ok(value),
        Answer {
            value: None,
            error: Some(refusal),
        } => Err(refused(format!("{}: {}", C::NAME, shown(&refusal.desc)))),
        Answer { .. } => Err(garbled("neither answer nor error")),
    }
}

/// What an agent's refusal means. Only a command that is not known to it, or is blocked by its settings, stays so
/// (qemu-ga(8), `block-rpcs`; QEMU's `qapi/qmp-dispatch.c`); while a file system is frozen it says the same of most.
pub fn refused(message: String) -> AgentError {
    let blocked = message.contains("has been disabled") || message.contains("has not been found");
    if blocked && !message.contains("frozen") {
        AgentError::Forbidden(message)
    } else {
        AgentError::Refused(message)
    }
}

/// The start of a guest's text, without control characters.
fn shown(text: &str) -> String {
    text.chars()
        .take(SHOWN)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// What an agent says of itself, bounded.
pub fn about(info: GuestAgentInfo) -> AgentAbout {
    let commands = info.supported_commands.into_iter().take(COMMANDS);
    AgentAbout {
        version: shown(&info.version),
        commands: commands
            .map(|command| (shown(&command.name), command.enabled))
            .collect(),
    }
}

/// What a finished command left, each output cut at `limit` bytes.
pub fn output(status: GuestExecStatus, limit: usize) -> ExecOutput {
    let mut truncated = status.out_truncated == Some(true) || status.err_truncated == Some(true);
    let mut keep = |data: Option<Vec<u8>>| {
        let mut data = data.unwrap_or_default();
        if data.len() > limit {
            truncated = true;
            data.truncate(limit);
        }
        data
    };
    let (stdout, stderr) = (keep(status.out_data), keep(status.err_data));
    ExecOutput {
        // A code beyond i32 (Windows' are unsigned) keeps its bits.
        exit: match status.signal {
            Some(_) => None,
            None => status.exitcode.map(|code| {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "the bits of an unsigned 32-bit code are kept"
                )]
                let code = code as i32;
                code
            }),
        },
        stdout,
        stderr,
        truncated,
    }
}
