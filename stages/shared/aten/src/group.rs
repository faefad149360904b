//! Processes that exchange numbers in host memory: Gloo, through PyTorch's c10d.

use std::ffi::{CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;
use std::time::Duration;

use crate::text::error_text;

/// The C++ side's.
#[repr(C)]
struct RawGroup {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn igpt_group_arrive(
        meeting: *const c_char,
        rank: c_int,
        ranks: c_int,
        group: *mut *mut RawGroup,
    ) -> *mut c_char;
    fn igpt_group_has_arrived(group: *mut RawGroup, rank: c_int, arrived: *mut bool) -> *mut c_char;
    fn igpt_group_join(
        group: *mut RawGroup,
        rank: c_int,
        across: bool,
        meet: f64,
        answer: f64,
    ) -> *mut c_char;
    fn igpt_group_all_gather(
        group: *mut RawGroup,
        mine: *const c_void,
        n: i64,
        all: *mut c_void,
    ) -> *mut c_char;
    fn igpt_group_all_to_all(
        group: *mut RawGroup,
        mine: *const c_void,
        given: *const i64,
        all: *mut c_void,
        taken: *const i64,
    ) -> *mut c_char;
    fn igpt_group_broadcast(group: *mut RawGroup, both: *mut c_void, n: i64) -> *mut c_char;
    fn igpt_group_leave(group: *mut RawGroup);
}

/// Ranks that cannot exchange: the text of c10d or of Gloo. After one, a group is of no more use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupError(pub String);

impl std::fmt::Display for GroupError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for GroupError {}

fn check(error: *mut c_char) -> Result<(), GroupError> {
    match error_text(error) {
        // What follows the first line is where in LibTorch it was.
        Some(text) => Err(GroupError(text.lines().next().unwrap_or_default().to_owned())),
        None => Ok(()),
    }
}

/// Numbers that any bytes are.
pub trait Exchanged: Copy + Default + sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

impl Exchanged for u8 {}
impl Exchanged for f32 {}
impl Exchanged for f64 {}

/// The other side's, which it frees.
#[derive(Debug)]
struct Handle(*mut RawGroup);

// SAFETY: the C++ side has no thread of its choice; it is used by one at a time, as it is never lent.
unsafe impl Send for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: made by `igpt_group_arrive`, and freed once.
        unsafe { igpt_group_leave(self.0) };
    }
}

/// A rank that has come to the place where all meet.
#[derive(Debug)]
pub struct Arrived {
    handle: Handle,
    rank: usize,
    ranks: usize,
}

impl Arrived {
    /// Comes as rank `rank` of `ranks` to a file, which the first that comes makes.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub fn at(meeting: &Path, rank: usize, ranks: usize) -> Result<Self, GroupError> {
        let path = CString::new(meeting.as_os_str().as_bytes())
            .map_err(|_| GroupError(format!("`{}` has a zero byte in it", meeting.display())))?;
        let mut handle = ptr::null_mut();
        // SAFETY: the path is a C string, and the handle is written once there is no error.
        check(unsafe { igpt_group_arrive(path.as_ptr(), rank as c_int, ranks as c_int, &mut handle) })?;
        Ok(Self { handle: Handle(handle), rank, ranks })
    }

    /// Whether a rank has come.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn sees(&self, rank: usize) -> Result<bool, GroupError> {
        let mut arrived = false;
        // SAFETY: the handle is live, and so is the answer's place.
        check(unsafe { igpt_group_has_arrived(self.handle.0, rank as c_int, &mut arrived) })?;
        Ok(arrived)
    }

    /// Connects all ranks: on one machine by its own address 127.0.0.1, across several by the address of each
    /// one's name, or that of the interface that the variable `GLOO_SOCKET_IFNAME` names. They must come within `meet`;
    /// later on each waits for the others in an exchange as long as `answer`.
    ///
    /// # Errors
    /// If one does not come, or cannot be connected with.
    pub fn join(self, across: bool, meet: Duration, answer: Duration) -> Result<Group, GroupError> {
        let Self { handle, rank, ranks } = self;
        let (meet, answer) = (meet.as_secs_f64(), answer.as_secs_f64());
        // SAFETY: the handle is live.
        check(unsafe { igpt_group_join(handle.0, rank as c_int, across, meet, answer) })?;
        Ok(Group { handle, ranks })
    }
}

/// Ranks that are connected. All call the same function at the same time; one that ends breaks the exchange
/// of all others.
#[derive(Debug)]
pub struct Group {
    handle: Handle,
    ranks: usize,
}

impl Group {
    /// Everybody's numbers, of which all have equally many, one rank's after another's.
    ///
    /// # Errors
    /// If a rank is gone or does not answer.
    pub fn all_gather<T: Exchanged>(&mut self, mine: &[T]) -> Result<Vec<T>, GroupError> {
        let mut all = vec![T::default(); mine.len() * self.ranks];
        let n = size_of_val(mine) as i64;
        // SAFETY: `all` has room for that many bytes of every rank, and any bytes are a `T`.
        check(unsafe {
            igpt_group_all_gather(self.handle.0, mine.as_ptr().cast(), n, all.as_mut_ptr().cast())
        })?;
        Ok(all)
    }

    /// Gives each rank so many of the numbers as `given` says, in their order, and takes from each as many as
    /// `taken` says.
    ///
    /// # Errors
    /// If a rank is gone or does not answer.
    ///
    /// # Panics
    /// If not all numbers are given away, or it is not one count for each rank.
    pub fn all_to_all<T: Exchanged>(
        &mut self,
        mine: &[T],
        given: &[usize],
        taken: &[usize],
    ) -> Result<Vec<T>, GroupError> {
        assert_eq!((given.len(), taken.len()), (self.ranks, self.ranks), "a count for each rank");
        assert_eq!(given.iter().sum::<usize>(), mine.len(), "all is given away");
        let bytes = |counts: &[usize]| -> Vec<i64> {
            counts.iter().map(|count| (count * size_of::<T>()) as i64).collect()
        };
        let mut all = vec![T::default(); taken.iter().sum()];
        let (given, taken) = (bytes(given), bytes(taken));
        // SAFETY: the lengths are those of the two arrays, in bytes, and any bytes are a `T`.
        check(unsafe {
            igpt_group_all_to_all(
                self.handle.0,
                mine.as_ptr().cast(),
                given.as_ptr(),
                all.as_mut_ptr().cast(),
                taken.as_ptr(),
            )
        })?;
        Ok(all)
    }

    /// Replaces everybody's numbers, of which all have equally many, by those of rank 0.
    ///
    /// # Errors
    /// If a rank is gone or does not answer.
    pub fn broadcast<T: Exchanged>(&mut self, numbers: &mut [T]) -> Result<(), GroupError> {
        let n = size_of_val(numbers) as i64;
        // SAFETY: that many bytes are there, and any bytes are a `T`.
        check(unsafe { igpt_group_broadcast(self.handle.0, numbers.as_mut_ptr().cast(), n) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each of the ranks, a thread each, makes of its group.
    fn ranks<T: Send>(n: usize, work: impl Fn(usize, Group) -> T + Sync) -> Vec<T> {
        let folder = tempfile::tempdir().unwrap();
        let meeting = folder.path().join("meeting");
        let rank = |rank| {
            let arrived = Arrived::at(&meeting, rank, n).unwrap();
            let limit = Duration::from_secs(20);
            work(rank, arrived.join(false, limit, limit).unwrap())
        };
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..n).map(|n| scope.spawn(move || rank(n))).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        })
    }

    #[test]
    fn numbers_go_where_they_should() {
        for n in [1, 2, 4] {
            let found = ranks(n, |rank, mut group| {
                let gathered = group.all_gather(&[rank as f64, 0.5]).unwrap();
                // Rank r gives rank s s numbers, so that rank 0 gets none.
                let given: Vec<usize> = (0..n).collect();
                let mine: Vec<f32> = given.iter().flat_map(|to| vec![(10 * rank + to) as f32; *to]).collect();
                let taken = group.all_to_all(&mine, &given, &vec![rank; n]).unwrap();
                let mut told = [rank as u8 + 7];
                group.broadcast(&mut told).unwrap();
                (gathered, taken, told)
            });
            let gathered: Vec<f64> = (0..n).flat_map(|rank| [rank as f64, 0.5]).collect();
            for (rank, found) in found.into_iter().enumerate() {
                let taken = (0..n).flat_map(|from| vec![(10 * from + rank) as f32; rank]).collect();
                assert_eq!(found, (gathered.clone(), taken, [7]));
            }
        }
    }

    #[test]
    fn an_exchange_waits_longer_than_a_meeting() {
        let folder = tempfile::tempdir().unwrap();
        let meeting = folder.path().join("meeting");
        let rank = |rank: usize| {
            let arrived = Arrived::at(&meeting, rank, 2).unwrap();
            let mut group = arrived.join(false, Duration::from_secs(2), Duration::from_secs(20)).unwrap();
            std::thread::sleep(Duration::from_secs(3 * rank as u64));
            group.all_gather(&[1u8]).unwrap();
            std::thread::sleep(Duration::from_secs(3 * rank as u64));
            group.all_to_all(&[1u8, 1], &[1, 1], &[1, 1]).unwrap();
            // Rank 0 gives and waits for nobody.
            std::thread::sleep(Duration::from_secs(3 * (1 - rank) as u64));
            group.broadcast(&mut [1u8]).unwrap();
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(|| rank(1));
            rank(0);
            other.join().unwrap();
        });
    }

    #[test]
    fn a_rank_that_leaves_is_an_error_of_the_others() {
        let found = ranks(2, |rank, mut group| match rank {
            0 => group.all_gather(&[1f32]).and_then(|_| group.all_gather(&[1f32])).map(drop),
            _ => group.all_gather(&[1f32]).map(drop),
        });
        assert!(found[0].is_err() && found[1].is_ok(), "{found:?}");
    }

    #[test]
    fn one_that_never_comes_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let arrived = Arrived::at(&folder.path().join("meeting"), 0, 2).unwrap();
        assert!(arrived.sees(0).unwrap() && !arrived.sees(1).unwrap());
        let limit = Duration::from_secs(1);
        arrived.join(false, limit, limit).unwrap_err();
    }
}
