//! What passes between the orchestrator, the nursery and the guardians: descriptors, an request, and
//! replies of a fixed size.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// How a process learns that it shall end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::execute) enum Stop {
    /// By the signal TERM, to it and all that it started.
    Term,
    /// By the end of its input, which the orchestrator holds.
    EndOfInput,
}

/// What is to be started, and how it is to be ended.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::execute) struct LaunchRequest {
    /// The program (found by the `PATH` that it is given) and its arguments.
    pub(in crate::execute) argv: Vec<OsString>,
    /// Its working directory; ours where it is empty.
    pub(in crate::execute) folder: PathBuf,
    /// Whether it sees our environment beside `env`.
    pub(in crate::execute) inherits: bool,
    /// Variables and their values.
    pub(in crate::execute) env: Vec<(OsString, OsString)>,
    /// How it is stopped.
    pub(in crate::execute) stop: Stop,
    /// How long it may take to end once it was told to.
    pub(in crate::execute) grace: Duration,
}

impl LaunchRequest {
    /// A byte for the descriptors to come with, the length of what follows, then each text with its
    /// length.
    pub(super) fn encode(&self) -> Vec<u8> {
        let flags = [u8::from(self.inherits), u8::from(self.stop == Stop::Term)];
        let grace = (self.grace.as_millis() as u64).to_le_bytes();
        let argc = (self.argv.len() as u32).to_le_bytes();
        let head: [&[u8]; 4] = [&flags, &grace, &argc, self.folder.as_os_str().as_bytes()];
        let argv = self.argv.iter().map(|text| text.as_bytes());
        let env = self.env.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let mut bytes = vec![0; 5];
        for text in head.into_iter().chain(argv).chain(env) {
            bytes.extend((text.len() as u32).to_le_bytes());
            bytes.extend(text);
        }
        let length = (bytes.len() as u32 - 5).to_le_bytes();
        bytes[1..5].copy_from_slice(&length);
        bytes
    }

    /// Reads an order from a stream, after its first byte.
    ///
    /// # Errors
    /// Where the stream ends before the order does.
    pub(super) fn read(mut from: impl Read) -> io::Result<Self> {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        from.read_exact(&mut bytes)?;
        Self::decode(&bytes).ok_or_else(|| io::Error::other("malformed request"))
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut texts = Vec::new();
        while let Some((length, rest)) = bytes.split_first_chunk() {
            let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            texts.push(text);
            bytes = rest;
        }
        let mut texts = texts.into_iter();
        let flags: [u8; 2] = texts.next()?.try_into().ok()?;
        let grace = u64::from_le_bytes(texts.next()?.try_into().ok()?);
        let argc = u32::from_le_bytes(texts.next()?.try_into().ok()?);
        let folder = PathBuf::from(OsStr::from_bytes(texts.next()?));
        let own = |text: &[u8]| OsString::from_vec(text.to_vec());
        let argv = texts.by_ref().take(argc as usize).map(own).collect();
        let mut env = Vec::new();
        while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
            env.push((own(name), own(value)));
        }
        Some(Self {
            argv,
            folder,
            inherits: flags[0] == 1,
            env,
            stop: if flags[1] == 1 { Stop::Term } else { Stop::EndOfInput },
            grace: Duration::from_millis(grace),
        })
    }
}

/// The bytes of a reply.
pub(super) const REPLY: usize = 24;

/// What a guardian says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Reply {
    /// What the system said instead.
    NotStarted { errno: i32 },
    /// The process runs.
    Started { pid: u32 },
    /// It has ended, and all that it started has.
    Ended { status: i32, cpu_s: f64, peak_memory_mib: f64 },
    /// It has ended, but something that it started cannot be ended.
    Stuck { pid: u32 },
}

impl Reply {
    pub(super) fn encode(self) -> [u8; REPLY] {
        let (tag, number, cpu_s, peak_memory_mib) = match self {
            Self::NotStarted { errno } => (0, errno, 0.0, 0.0),
            Self::Started { pid } => (1, pid.cast_signed(), 0.0, 0.0),
            Self::Ended { status, cpu_s, peak_memory_mib } => (2, status, cpu_s, peak_memory_mib),
            Self::Stuck { pid } => (3, pid.cast_signed(), 0.0, 0.0),
        };
        let mut bytes = [0; REPLY];
        bytes[0] = tag;
        bytes[4..8].copy_from_slice(&number.to_le_bytes());
        bytes[8..16].copy_from_slice(&f64::to_le_bytes(cpu_s));
        bytes[16..].copy_from_slice(&f64::to_le_bytes(peak_memory_mib));
        bytes
    }

    pub(super) fn decode(bytes: &[u8; REPLY]) -> Self {
        let float = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[at..at + 8]);
            f64::from_le_bytes(eight)
        };
        let number = i32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        match bytes[0] {
            1 => Self::Started { pid: number.cast_unsigned() },
            2 => Self::Ended { status: number, cpu_s: float(8), peak_memory_mib: float(16) },
            3 => Self::Stuck { pid: number.cast_unsigned() },
            _ => Self::NotStarted { errno: number },
        }
    }
}

/// The most descriptors that a message carries.
const FDS: usize = 3;

/// ControlBuffer for the descriptors of a message, aligned as its head must be.
#[repr(C)]
union ControlBuffer {
    _head: libc::cmsghdr,
    bytes: [u8; 64],
}

/// Sends some bytes, and with the first of them descriptors, of which the receiver gets copies.
///
/// # Errors
/// What the system said.
pub(super) fn send_fds(mut socket: &UnixStream, fds: &[RawFd], bytes: &[u8]) -> io::Result<()> {
    debug_assert!(fds.len() <= FDS && !bytes.is_empty());
    let mut room = ControlBuffer { bytes: [0; 64] };
    let mut data = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all-zero bytes are a valid `msghdr`. The room is aligned for its head and larger than
    // the space that the descriptors take; everything lives until the call returns.
    let sent = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut data;
        message.msg_iovlen = 1;
        message.msg_control = (&raw mut room).cast();
        message.msg_controllen = libc::CMSG_SPACE(size_of_val(fds) as u32) as _;
        let head = libc::CMSG_FIRSTHDR(&raw const message);
        (*head).cmsg_level = libc::SOL_SOCKET;
        (*head).cmsg_type = libc::SCM_RIGHTS;
        (*head).cmsg_len = libc::CMSG_LEN(size_of_val(fds) as u32) as _;
        std::ptr::copy_nonoverlapping(fds.as_ptr(), libc::CMSG_DATA(head).cast::<RawFd>(), fds.len());
        libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL)
    };
    match usize::try_from(sent) {
        Ok(sent) => socket.write_all(&bytes[sent..]),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// Receives one byte and the descriptors that came with it; `None` at the end of the stream.
///
/// # Errors
/// What the system said, or that there was no room for the descriptors.
pub(super) fn receive_fds<const N: usize>(socket: &UnixStream) -> io::Result<Option<[OwnedFd; N]>> {
    let mut byte = 0u8;
    let mut room = ControlBuffer { bytes: [0; 64] };
    let mut data = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    #[cfg(target_os = "linux")]
    let flags = libc::MSG_CMSG_CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = 0;
    // SAFETY: as in `send_fds`; what the system answers is read within the bounds that it gives, and
    // descriptors that it made are owned by nobody else.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut data;
        message.msg_iovlen = 1;
        message.msg_control = (&raw mut room).cast();
        message.msg_controllen = size_of::<ControlBuffer>() as _;
        match libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) {
            0 => return Ok(None),
            n if n < 0 => return Err(io::Error::last_os_error()),
            _ => {}
        }
        let head = libc::CMSG_FIRSTHDR(&raw const message);
        let mut fds = Vec::with_capacity(N);
        if !head.is_null() && (*head).cmsg_type == libc::SCM_RIGHTS {
            let bytes = (*head).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
            let first = libc::CMSG_DATA(head).cast::<RawFd>();
            fds.extend((0..bytes / size_of::<RawFd>()).map(|i| OwnedFd::from_raw_fd(first.add(i).read())));
        }
        fds.try_into().map(Some).map_err(|_| io::Error::from_raw_os_error(libc::EMFILE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_arrives_as_it_was_given() {
        let request = LaunchRequest {
            argv: vec!["sh".into(), "-c".into(), OsString::from_vec(b"caf\xe9".to_vec())],
            folder: "/some/where".into(),
            inherits: false,
            env: vec![("A".into(), "".into()), ("B".into(), "x\ny".into())],
            stop: Stop::Term,
            grace: Duration::from_millis(1500),
        };
        let bytes = request.encode();
        assert_eq!(LaunchRequest::read(&bytes[1..]).unwrap(), request);
        assert!(LaunchRequest::read(&bytes[1..bytes.len() - 1]).is_err());
    }

    #[test]
    fn replies_arrive_as_they_were_given() {
        let replies = [
            Reply::NotStarted { errno: 2 },
            Reply::Started { pid: 77 },
            Reply::Ended { status: 256, cpu_s: 0.25, peak_memory_mib: 3.5 },
            Reply::Stuck { pid: 4_000_000 },
        ];
        for reply in replies {
            assert_eq!(Reply::decode(&reply.encode()), reply);
        }
    }

    #[test]
    fn descriptors_pass_through_a_socket() {
        let (a, b) = UnixStream::pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        send_fds(&a, &[file.as_raw_fd(); 3], b"abc").unwrap();
        assert!(receive_fds::<3>(&b).unwrap().is_some());
        send_fds(&a, &[file.as_raw_fd()], b"d").unwrap();
        drop(a);
        let mut rest = [0; 2];
        (&b).read_exact(&mut rest).unwrap();
        assert_eq!(&rest, b"bc");
        assert!(receive_fds::<1>(&b).unwrap().is_some());
        assert!(receive_fds::<1>(&b).unwrap().is_none());
    }
}
