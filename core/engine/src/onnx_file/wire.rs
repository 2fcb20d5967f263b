//! The protobuf wire format: fields of one message, each no longer than the bytes that are there.

/// What was wrong, to be told with the place around it.
pub(super) type Flaw = String;

/// The fields of one message, in order.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

/// One field's value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Four([u8; 4]),
    Eight([u8; 8]),
}

impl<'a> Fields<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field's number and value; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Flaw> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.number()?;
        let field = key >> 3;
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            1 => Value::Eight(self.array()?),
            2 => {
                let length = self.number()?;
                let there = self.rest.len();
                let taken = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
                let (bytes, rest) = taken.ok_or_else(|| format!("field {field} claims {length} bytes where {there} remain"))?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            5 => Value::Four(self.array()?),
            other => return Err(format!("field {field} has wire type {other}, which no ONNX file uses")),
        };
        if field == 0 { Err("a field has number 0".to_owned()) } else { Ok(Some((field, value))) }
    }

    fn number(&mut self) -> Result<u64, Flaw> {
        let mut number = 0_u64;
        for (place, byte) in self.rest.iter().enumerate().take(10) {
            number |= u64::from(byte & 0x7f).wrapping_shl(7 * place as u32);
            if byte & 0x80 == 0 {
                self.rest = self.rest.get(place + 1..).unwrap_or_default();
                return Ok(number);
            }
        }
        Err("it ends, or goes wrong, within a number".to_owned())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let (array, rest) = self.rest.split_first_chunk().ok_or_else(|| format!("it ends within a value of {N} bytes"))?;
        self.rest = rest;
        Ok(*array)
    }
}

impl<'a> Value<'a> {
    pub(super) fn bytes(self) -> Result<&'a [u8], Flaw> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            other => Err(format!("a message or text was expected, {} is there", other.word())),
        }
    }

    pub(super) fn text(self) -> Result<String, Flaw> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| format!("{:?} is not UTF-8", String::from_utf8_lossy(bytes)))
    }

    pub(super) fn whole(self) -> Result<i64, Flaw> {
        match self {
            Self::Number(number) => Ok(number as i64),
            other => Err(format!("a whole number was expected, {} is there", other.word())),
        }
    }

    pub(super) fn single(self) -> Result<f32, Flaw> {
        match self {
            Self::Four(bytes) => Ok(f32::from_le_bytes(bytes)),
            other => Err(format!("a float was expected, {} is there", other.word())),
        }
    }

    /// One whole number, or many packed into one field.
    pub(super) fn wholes(self, into: &mut Vec<i64>) -> Result<(), Flaw> {
        let Self::Bytes(bytes) = self else {
            into.push(self.whole()?);
            return Ok(());
        };
        let mut packed = Fields::of(bytes);
        while !packed.rest.is_empty() {
            into.push(packed.number()? as i64);
        }
        Ok(())
    }

    /// One float, or many packed into one field.
    pub(super) fn singles(self, into: &mut Vec<f32>) -> Result<(), Flaw> {
        let Self::Bytes(bytes) = self else {
            into.push(self.single()?);
            return Ok(());
        };
        chunks(bytes, f32::from_le_bytes, into)
    }

    /// One double, or many packed into one field.
    pub(super) fn doubles(self, into: &mut Vec<f64>) -> Result<(), Flaw> {
        match self {
            Self::Eight(bytes) => into.push(f64::from_le_bytes(bytes)),
            Self::Bytes(bytes) => chunks(bytes, f64::from_le_bytes, into)?,
            other => return Err(format!("a double was expected, {} is there", other.word())),
        }
        Ok(())
    }

    fn word(self) -> &'static str {
        match self {
            Self::Number(_) => "a whole number",
            Self::Bytes(_) => "a piece of bytes",
            Self::Four(_) => "a value of 4 bytes",
            Self::Eight(_) => "a value of 8 bytes",
        }
    }
}

/// Little-endian values that fill `bytes` to the end.
pub(super) fn chunks<T, const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> T, into: &mut Vec<T>) -> Result<(), Flaw> {
    let (whole, rest) = bytes.as_chunks::<N>();
    if !rest.is_empty() {
        return Err(format!("{} bytes are not a whole number of values of {N} bytes", bytes.len()));
    }
    into.extend(whole.iter().map(|bytes| read(*bytes)));
    Ok(())
}
