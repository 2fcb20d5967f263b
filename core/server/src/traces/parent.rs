//! The caller's word on tracing: `traceparent`, as W3C Trace Context has it.

/// A caller's span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The trace that it belongs to.
    pub trace: u128,
    /// The span itself.
    pub span: u64,
    /// Whether the caller records it.
    pub sampled: bool,
}

/// Length of a header of version 00; later versions may have more behind it.
const LEN: usize = 55;

impl Parent {
    /// Reads a header; nothing if it is not one, which is as if there were none.
    pub fn read(text: &str) -> Option<Self> {
        let (known, rest) = (text.get(..LEN)?, text.get(LEN..)?);
        let mut parts = known.split('-');
        let [version, trace, span, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        if parts.next().is_some() || [version.len(), trace.len(), span.len(), flags.len()] != [2, 32, 16, 2] {
            return None;
        }
        // Small letters alone; from_str_radix would take others, and signs.
        if !known.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-')) {
            return None;
        }
        let later = version != "00";
        if version == "ff" || !(rest.is_empty() || later && rest.starts_with('-')) {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok()?;
        let span = u64::from_str_radix(span, 16).ok()?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        (trace != 0 && span != 0).then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
    const SPAN: u64 = 0x00f0_67aa_0ba9_02b7;

    #[test]
    fn the_examples_of_the_specification_are_read() {
        let sampled = Parent { trace: TRACE, span: SPAN, sampled: true };
        let read = |text: &str| Parent::read(text);
        assert_eq!(read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), Some(sampled));
        assert_eq!(read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"), Some(Parent { sampled: false, ..sampled }));
        assert_eq!(read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03"), Some(sampled), "other flags are not ours");
        assert_eq!(read("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-later-versions-say"), Some(sampled));
    }

    #[test]
    fn what_is_no_header_is_as_if_there_were_none() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47360-0f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Parent::read(text), None, "{text}");
        }
    }
}
